#include "sources/object_store/deep_wal.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sources/object_store/deep_read.h"

namespace keelwatch::sources {

// Verdicts, segment by segment, until the whole is known.
class WalProver::Ledger {
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
    known_ = true;
    if (open_ || (begin < verdict.at.bytes && begin < verdict.to.bytes)) tail(file, verdict);
    if (!verdict.fault.empty()) {
      fault(file, verdict);
      waiting_.clear();
    } else if (open_) {
      waiting_.push_back(file);
    } else {
      prove(file.segment);
    }
  }

  // A .partial continues the segment before it, and nothing continues it. That its records end
  // somewhere is no fault; recovery ends there.
  void add_partial(const DeepWalFile& file, const WalVerdict& verdict) {
    const model::Lsn begin = wal_segment_begin(file.segment, segment_bytes_);
    if (open_ && follows(file.segment) && verdict.records > 0) prove_waiting();
    if (verdict.fault == "record" || verdict.fault.empty() || begin < verdict.to) {
      if (verdict.newest_commit) proof.commits.push_back({file.segment, *verdict.newest_commit});
      tail(file, verdict);
    } else {
      fault(file, verdict);
    }
    forget();
  }

  void forget() {
    open_ = false;
    known_ = false;
    waiting_.clear();
  }

  DeepWalProof proof;
  [[nodiscard]] std::optional<model::WalSegment> last() const {
    return known_ ? std::optional(last_) : std::nullopt;
  }
  [[nodiscard]] const std::vector<DeepWalFile>& waiting() const { return waiting_; }

 private:
  [[nodiscard]] bool follows(model::WalSegment segment) const {
    return segment.number == last_.number + 1 && segment.timeline >= last_.timeline;
  }
  void fault(const DeepWalFile& file, const WalVerdict& verdict) {
    proof.faults.push_back({file.segment, verdict.fault,
                            (file.partial ? "its .partial: " : "") + verdict.detail,
                            file.modified});
    std::erase_if(proof.commits, [&file](const auto& c) { return c.segment == file.segment; });
  }
  void tail(const DeepWalFile& file, const WalVerdict& verdict) {
    // Where PostgreSQL says that recovery ended: records are padded to multiples of 8.
    proof.tails.push_back({file.segment, {(verdict.to.bytes + 7U) & ~std::uint64_t{7}}});
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
  bool known_ = false;                // last_ says something
  bool open_ = false;                 // the last record of last_ goes on
  std::vector<DeepWalFile> waiting_;  // those that this record lies in
};

WalProver::WalProver(EventLoop& loop, ObjectReader& reader, std::int64_t segment_bytes,
                     std::optional<std::uint64_t> system_id)
    : loop_(loop),
      reader_(reader),
      segment_bytes_(segment_bytes),
      walker_(segment_bytes, system_id),
      ledger_(std::make_unique<Ledger>(segment_bytes)) {}

WalProver::~WalProver() = default;

Task<Result<void>> WalProver::read(DeepWalFile file, const DeepOptions& options,
                                   DeepProgress& progress) {
  progress.file = wal_segment_name(file.segment, segment_bytes_) + (file.partial ? ".partial" : "");
  walker_.begin(file.segment, true);
  std::int64_t fed = 0;
  std::function<bool(std::string_view)> taken = [this, &fed, &file](std::string_view bytes) {
    fed += static_cast<std::int64_t>(bytes.size());
    // Of a .partial the size counts whatever ends its records.
    return walker_.feed(bytes) || (file.partial && fed <= segment_bytes_);
  };
  const Result<DeepRead> read =
      co_await deep_read(loop_, reader_, file.key, std::move(taken), options, progress);
  if (!read) {
    walker_.abandon();
    ledger_->forget();
    if (read.error().code() != ErrorCode::kNotFound) co_return read.error();
    ledger_->proof.gone.push_back(file.segment);
    co_return Result<void>();
  }
  WalVerdict verdict;
  if (read->damage.empty()) {
    verdict = walker_.finish();
  } else {
    walker_.abandon();
    verdict.at = wal_segment_begin(file.segment, segment_bytes_);
    verdict.fault = !read->short_for_python ? "compressed_data" : fed == 0 ? "empty" : "wrong_size";
    verdict.detail = read->damage;
  }
  if (verdict.fault == kUnknownWalVersion) {
    ledger_->forget();
    ledger_->proof.unknown_version.push_back(file.segment);
  } else if (file.partial) {
    if (read->damage.empty() && fed != segment_bytes_) {
      verdict = {};
      verdict.fault = fed == 0 ? "empty" : "wrong_size";
      verdict.detail = fmt::format("{} bytes{} instead of {}", fed,
                                   fed > segment_bytes_ ? " or more" : "", segment_bytes_);
    }
    ledger_->add_partial(file, verdict);
    walker_.abandon();
  } else {
    ledger_->add(file, std::move(verdict));
  }
  co_return Result<void>();
}

DeepWalProof WalProver::take() { return std::exchange(ledger_->proof, {}); }

std::optional<model::WalSegment> WalProver::last() const { return ledger_->last(); }

std::vector<model::WalSegment> WalProver::unfinished() const {
  std::vector<model::WalSegment> result;
  for (const DeepWalFile& file : ledger_->waiting()) result.push_back(file.segment);
  return result;
}

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
  WalProver prover(loop, reader, request.segment_bytes, request.system_id);
  for (const DeepWalFile& file : request.files) {
    const Result<void> read = co_await prover.read(file, options, progress);
    if (!read) co_return read.error();
  }
  DeepWalProof proof = prover.take();
  proof.bytes = progress.done;
  co_return proof;
}

}  // namespace keelwatch::sources
