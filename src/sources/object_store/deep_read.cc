#include "sources/object_store/deep_read.h"

#include <utility>

#include <fmt/format.h>

#include "sources/object_store/decompress.h"

namespace keelwatch::sources {
namespace {

constexpr Duration kMostWork = std::chrono::milliseconds(3);  // before others get their turn

enum class Fed { kMore, kEnough, kDamaged };

// Does the work in steps and lets the loop go round between them: a piece may become a thousand
// times as much, and a stream may have the next one ready at once.
class Feeder {
 public:
  Feeder(EventLoop& loop, Decompressor& decompressor, std::function<bool(std::string_view)> taken)
      : loop_(loop), decompressor_(decompressor), taken_(std::move(taken)) {}

  [[nodiscard]] Task<Fed> feed(std::string_view piece, std::string& damage) {
    for (bool more = true; more;) {
      if (loop_.now() - since_ > kMostWork) {
        co_await loop_.sleep_until(loop_.now());
        since_ = loop_.now();
      }
      scratch_.clear();
      const Result<bool> fed = decompressor_.feed(piece, scratch_);
      if (!scratch_.empty() && !taken_(scratch_)) co_return Fed::kEnough;
      if (!fed) {
        damage = fed.error().message();
        co_return Fed::kDamaged;
      }
      more = *fed;
    }
    co_return Fed::kMore;
  }

 private:
  EventLoop& loop_;
  Decompressor& decompressor_;
  std::function<bool(std::string_view)> taken_;
  std::string scratch_;
  SteadyTime since_{};
};

}  // namespace

Task<Result<DeepRead>> deep_read(EventLoop& loop, ObjectReader& reader, std::string key,
                                 std::function<bool(std::string_view)> taken,
                                 const DeepOptions& options, DeepProgress& progress) {
  Result<Decompressor> decompressor = Decompressor::for_suffix(compression_suffix(key));
  if (!decompressor) co_return decompressor.error().context(key);
  Result<std::unique_ptr<ObjectStream>> stream =
      co_await reader.open(key, loop.after(options.stall));
  if (!stream) co_return stream.error().context(key);
  DeepRead read;
  Feeder feeder(loop, *decompressor, std::move(taken));
  for (;;) {
    Result<std::optional<std::string>> piece = co_await (*stream)->next(loop.after(options.stall));
    if (!piece) co_return piece.error().context(key);
    if (!*piece) break;
    const std::size_t size = (*piece)->size();
    const Fed fed = co_await feeder.feed(**piece, read.damage);
    progress.done += static_cast<std::int64_t>(size);
    if (progress.done > options.max_bytes) {
      co_return Error(ErrorCode::kTooLarge,
                      fmt::format("{}: more than {} bytes read", key, options.max_bytes));
    }
    if (options.progress) options.progress(progress);
    if (fed != Fed::kMore) co_return read;
  }
  if (const Result<void> finished = decompressor->finish(); !finished) {
    read.damage = finished.error().message();
    read.short_for_python = decompressor->python_takes_end();
  } else {
    read.whole = true;
  }
  co_return read;
}

}  // namespace keelwatch::sources
