#include "sources/object_store/deep_wal.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sources/object_store/deep_read.h"
#include "sources/object_store/wal_records.h"

namespace keelwatch::sources {
namespace {

// Verdicts, segment by segment, until the whole is known.
class Ledger {
 public:
  explicit Ledger(std::int64_t segment_bytes) : segment_bytes_(segment_bytes) {}

  void add(const DeepWalFile& file, WalVerdict verdict) {
    const std::uint64_t begin = wal_segment_begin(file.segment, segment_bytes_).bytes;
    const bool of_both = !verdict.fault.empty() && verdict.at.bytes < begin;
    if (open_ && follows(file.segment)) {
      if (of_both) {
        for (const DeepWalFile& before : waiting_) fault(before, verdict);
        waiting_.clear();
      } else if (verdict.records > 0) {
        prove_waiting();  // its last record was whole, whatever came behind it
      }
    } else {
      waiting_.clear();
    }
    if (verdict.newest_commit) proof.commits.push_back({file.segment, *verdict.newest_commit});
    open_ = verdict.fault.empty() && verdict.crosses;
    last_ = file.segment;
    if (!verdict.fault.empty()) {
      fault(file, verdict);
      waiting_.clear();
    } else if (open_) {
      waiting_.push_back(file);
    } else {
      prove(file.segment);
    }
  }

  void forget() {
    open_ = false;
    waiting_.clear();
  }

  DeepWalProof proof;

 private:
  [[nodiscard]] bool follows(model::WalSegment segment) const {
    return segment.number == last_.number + 1 && segment.timeline >= last_.timeline;
  }
  void fault(const DeepWalFile& file, const WalVerdict& verdict) {
    proof.faults.push_back({file.segment, verdict.fault, verdict.detail, file.modified});
    std::erase_if(proof.commits, [&file](const auto& c) { return c.segment == file.segment; });
  }
  void prove_waiting() {
    for (const DeepWalFile& file : waiting_) prove(file.segment);
    waiting_.clear();
  }
  void prove(model::WalSegment segment) {
    if (!proof.proofs.empty()) {
      model::WalProof& last = proof.proofs.back();
      if (last.timeline == segment.timeline && last.last + 1 == segment.number) {
        last.last = segment.number;
        return;
      }
    }
    proof.proofs.push_back({segment.timeline, segment.number, segment.number, "deep"});
  }

  std::int64_t segment_bytes_;
  model::WalSegment last_;
  bool open_ = false;                 // the last record of last_ goes on
  std::vector<DeepWalFile> waiting_;  // those that this record lies in
};

}  // namespace

Task<Result<DeepWalProof>> prove_wal(EventLoop& loop, ObjectReader& reader, DeepWalRequest request,
                                     const DeepOptions& options) {
  if (!model::is_wal_segment_size(request.segment_bytes)) {
    co_return Error(ErrorCode::kInvalid,
                    fmt::format("{} is no size of WAL segments", request.segment_bytes));
  }
  DeepProgress progress;
  for (const DeepWalFile& file : request.files) progress.total += file.bytes;
  if (progress.total > options.max_bytes) {
    co_return Error(ErrorCode::kTooLarge, fmt::format("its {} bytes are more than the {} allowed",
                                                      progress.total, options.max_bytes));
  }
  WalWalker walker(request.segment_bytes, request.system_id);
  Ledger ledger(request.segment_bytes);
  for (const DeepWalFile& file : request.files) {
    progress.file = wal_segment_name(file.segment, request.segment_bytes);
    walker.begin(file.segment, true);
    std::function<bool(std::string_view)> taken = [&walker](std::string_view bytes) {
      return walker.feed(bytes);
    };
    const Result<DeepRead> read =
        co_await deep_read(loop, reader, file.key, std::move(taken), options, progress);
    if (!read && read.error().code() != ErrorCode::kNotFound) co_return read.error();
    if (!read) {
      ledger.proof.gone.push_back(file.segment);
      walker.abandon();
      ledger.forget();
      continue;
    }
    WalVerdict verdict;
    if (read->damage.empty()) {
      verdict = walker.finish();
    } else {
      walker.abandon();
      verdict.at = wal_segment_begin(file.segment, request.segment_bytes);
      verdict.fault = file.bytes == 0 ? "empty" : "compressed_data";
      verdict.detail = read->damage;
    }
    ledger.add(file, std::move(verdict));
  }
  ledger.proof.bytes = progress.done;
  co_return std::move(ledger.proof);
}

}  // namespace keelwatch::sources
