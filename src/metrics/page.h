// The /metrics page of one step.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "metrics/exposition.h"
#include "metrics/self.h"
#include "metrics/writer.h"

namespace keelwatch::metrics {

enum class Encoding { kIdentity, kGzip };

// The forms that a page is served in; a plain text stands before the compressed one made of it.
struct Form {
  Format format;
  Encoding encoding;
};
inline constexpr std::array<Form, 4> kForms = {Form{Format::kText004, Encoding::kIdentity},
                                               Form{Format::kText004, Encoding::kGzip},
                                               Form{Format::kOpenMetrics100, Encoding::kIdentity},
                                               Form{Format::kOpenMetrics100, Encoding::kGzip}};
// Its place in kForms.
[[nodiscard]] constexpr std::size_t index_of(Format format, Encoding encoding) {
  return (format == Format::kOpenMetrics100 ? 2U : 0U) + (encoding == Encoding::kGzip ? 1U : 0U);
}

// The whole page: the step's samples, if any, then our own metrics as they are now.
[[nodiscard]] std::string render(const Samples* samples, const SelfMetrics& self, Format format);

// Renders each form of a page (format and encoding) when somebody first asks for it, once, and
// serves the same bytes to everybody after that. Safe to use from any thread; those who ask for a
// form while it is rendered wait for it. Whoever publishes pages keeps the newest only, so that no
// more bodies live than the newest page's and those still being sent.
class Page {
 public:
  // `self` and `clock` outlive the page.
  Page(std::shared_ptr<const Samples> samples, SelfMetrics& self, const Clock& clock);

  [[nodiscard]] std::shared_ptr<const std::string> body(Format format, Encoding encoding) const;

 private:
  struct Made {
    Mutex mutex;
    std::shared_ptr<const std::string> body GUARDED_BY(mutex);
  };
  [[nodiscard]] std::string make(Format format, Encoding encoding) const;

  std::shared_ptr<const Samples> samples_;
  SelfMetrics& self_;
  const Clock& clock_;
  mutable std::array<Made, kForms.size()> made_;
};

}  // namespace keelwatch::metrics
