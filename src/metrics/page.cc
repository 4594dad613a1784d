#include "metrics/page.h"

namespace keelwatch::metrics {

std::string render(const Samples* samples, const SelfMetrics& self, Format format) {
  std::string page;
  if (samples != nullptr) append_samples(page, *samples, format);
  self.append(page, format);
  end_page(page, format);
  return page;
}

Page::Page(std::shared_ptr<const Samples> samples, SelfMetrics& self, const Clock& clock)
    : samples_(std::move(samples)), self_(self), clock_(clock) {}

std::shared_ptr<const std::string> Page::body(Format format, Encoding encoding) const {
  Made& wanted = made_[index_of(format, encoding)];
  const MutexLock lock(wanted.mutex);
  if (wanted.body == nullptr) {
    const SteadyTime begin = clock_.steady();
    wanted.body = std::make_shared<const std::string>(make(format, encoding));
    self_.page_rendered(clock_.steady() - begin);
  }
  return wanted.body;
}

std::string Page::make(Format format, Encoding encoding) const {
  if (encoding == Encoding::kIdentity) return render(samples_.get(), self_, format);
  // Prometheus always asks for gzip: the plain text, ten times as large, is not kept for it. If it
  // is there, both forms show the same moment.
  Made& plain = made_[index_of(format, Encoding::kIdentity)];
  std::shared_ptr<const std::string> text;
  {
    const MutexLock lock(plain.mutex);
    text = plain.body;
  }
  return gzip(text != nullptr ? *text : render(samples_.get(), self_, format));
}

}  // namespace keelwatch::metrics
