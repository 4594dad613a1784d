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

// The whole page: the step's samples, if any, then our own metrics as they are now.
[[nodiscard]] std::string render(const Samples* samples, const SelfMetrics& self, Format format);

// Renders each form of a page (format and encoding) when somebody first asks for it, once, and
// serves the same bytes to everybody after that. Safe to use from any thread; those who ask for a
// form while it is rendered wait for it. Whoever publishes pages keeps the newest only, so that no
// more bodies live than the newest page's and those still being sent.
class Page {
 public:
  // Without samples the page holds our own metrics only: what is served when the last step is too
  // old to be believed. `self` and `clock` outlive the page.
  Page(std::shared_ptr<const Samples> samples, SelfMetrics& self, const Clock& clock);

  [[nodiscard]] std::shared_ptr<const std::string> body(Format format, Encoding encoding) const;

 private:
  struct Form {
    Mutex mutex;
    std::shared_ptr<const std::string> body GUARDED_BY(mutex);
  };
  [[nodiscard]] Form& form(Format format, Encoding encoding) const;
  [[nodiscard]] std::string make(Format format, Encoding encoding) const;

  std::shared_ptr<const Samples> samples_;
  SelfMetrics& self_;
  const Clock& clock_;
  mutable std::array<Form, 4> forms_;
};

}  // namespace keelwatch::metrics
