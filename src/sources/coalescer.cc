#include "sources/coalescer.h"

#include <algorithm>

namespace keelwatch::sources {
namespace {

constexpr Duration kCoalesce = std::chrono::milliseconds(50);
constexpr Duration kGrace = std::chrono::milliseconds(10);  // for what comes right after a change
constexpr Duration kLong = std::chrono::hours(1);

}  // namespace

void Coalescer::changed(Urgency urgency) {
  dirty_ = true;
  urgent_ = urgent_ || urgency == Urgency::kNow;
  signal_.notify_all();
}

Task<> Coalescer::due() {
  while (!dirty_) co_await signal_.wait_until(loop_.after(kLong));
  const SteadyTime at = std::max(last_ + kCoalesce, loop_.now() + kGrace);
  while (!urgent_ && loop_.now() < at) co_await signal_.wait_until(at);
  dirty_ = false;
  urgent_ = false;
  last_ = loop_.now();
}

}  // namespace keelwatch::sources
