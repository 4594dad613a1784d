#include "sources/object_store/deep_streams.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "base/time_text.h"

namespace keelwatch::sources {
namespace {

constexpr Duration kDay = std::chrono::hours(24);

}  // namespace

bool DailyBytes::any_left() {
  if (day_) {
    const auto days = (clock_.steady() - *day_) / kDay;
    if (days > 0) {
      left_ = std::min(share_, left_ + share_ * static_cast<double>(days));
      day_ = *day_ + kDay * days;
      if (left_ >= share_) day_.reset();
    }
  }
  return left_ > 0;
}

void DailyBytes::spend(std::size_t bytes) {
  if (!day_) day_ = clock_.steady();
  left_ -= static_cast<double>(bytes);
}

std::optional<Duration> DailyBytes::until_more() const {
  if (share_ <= 0) return std::nullopt;
  if (left_ > 0 || !day_) return Duration::zero();
  constexpr double kMostDays = 36'500;
  const double days = std::min(kMostDays, std::floor(-left_ / share_) + 1);
  return *day_ + kDay * static_cast<std::int64_t>(days) - clock_.steady();
}

class DeepStreams::Stream final : public ObjectStream {
 public:
  Stream(DailyBytes& today, RequestSlots::Held held, std::unique_ptr<ObjectStream> stream)
      : today_(today), held_(std::move(held)), stream_(std::move(stream)) {}

  Task<Result<std::optional<std::string>>> next(SteadyTime deadline) override {
    Result<std::optional<std::string>> piece = co_await stream_->next(deadline);
    if (piece && *piece) today_.spend((*piece)->size());
    co_return piece;
  }

 private:
  DailyBytes& today_;
  RequestSlots::Held held_;
  std::unique_ptr<ObjectStream> stream_;  // ends before the slot comes free
};

class DeepStreams::Reader final : public ObjectReader {
 public:
  Reader(DeepStreams& all, ObjectReader& reader, Duration look_again,
         std::function<void(std::string)> waits)
      : all_(all), reader_(reader), look_again_(look_again), waits_(std::move(waits)) {}

  Task<Result<std::unique_ptr<ObjectStream>>> open(std::string key, SteadyTime deadline) override {
    const Duration allowed = deadline - all_.loop_.now();
    for (;;) {
      co_await all_.loop_.sleep_until(all_.loop_.now());  // whoever waits for the slot is before
      RequestSlots::Held held = co_await all_.slot_.take();
      if (all_.today_.any_left()) {
        if (std::exchange(told_, false)) waits_("");
        Result<std::unique_ptr<ObjectStream>> stream =
            co_await reader_.open(std::move(key), all_.loop_.after(allowed));
        if (!stream) co_return std::move(stream).error();
        co_return std::unique_ptr<ObjectStream>(
            std::make_unique<Stream>(all_.today_, std::move(held), *std::move(stream)));
      }
      {
        const RequestSlots::Held freed = std::move(held);
      }
      co_await wait();
    }
  }

 private:
  Task<> wait() {
    const std::optional<Duration> more = all_.today_.until_more();
    told_ = true;
    waits_(fmt::format(
        "object_stores.deep_pass_daily_bytes ({:.0f}) have been read{}", all_.today_.share(),
        more ? ": it goes on in " + format_duration(std::chrono::ceil<std::chrono::minutes>(*more))
             : ""));
    co_await all_.loop_.sleep_for(std::min(look_again_, more.value_or(look_again_)));
  }

  DeepStreams& all_;
  ObjectReader& reader_;
  Duration look_again_;
  std::function<void(std::string)> waits_;
  bool told_ = false;
};

std::unique_ptr<ObjectReader> DeepStreams::metered(ObjectReader& reader, Duration look_again,
                                                   std::function<void(std::string)> waits) {
  return std::make_unique<Reader>(*this, reader, look_again, std::move(waits));
}

}  // namespace keelwatch::sources
