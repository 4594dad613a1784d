// Samples as text, for assertions from facts to exposition.
#pragma once

#include <string>

#include "app/step.h"
#include "metrics/exposition.h"

namespace keelwatch::testing {

// The sample lines of the families whose names begin with `prefix`, without HELP and TYPE.
inline std::string sample_lines(const app::Moment& moment, std::string_view prefix) {
  std::string page;
  metrics::append_samples(page, moment.samples, metrics::Format::kText004);
  std::string out;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = page.find('\n', at);
    const std::string_view line(page.data() + at, end - at);
    if (line.starts_with(prefix)) out.append(line).append("\n");
    at = end + 1;
  }
  return out;
}

}  // namespace keelwatch::testing
