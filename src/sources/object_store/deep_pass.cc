#include "sources/object_store/deep_pass.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "sources/object_store/deep_backup.h"
#include "sources/poll.h"

namespace keelwatch::sources {
namespace {

constexpr const char* kSource = "object_store";
constexpr Duration kProgressInterval = std::chrono::seconds(1);
constexpr int kMostInARow = 3;     // objects that are refused: then all are
constexpr int kMostDoublings = 6;  // of the pause between attempts
constexpr Duration kMostPause = std::chrono::hours(1);

bool is_done(const model::BaseBackup& backup) {
  const model::BackupInfo* info = backup.info.if_known();
  return info != nullptr && info->status == "DONE";
}

// What the verdict depends on: not annotations.
std::vector<model::ArchivedFile> files_of(const model::BaseBackup& backup) {
  std::vector<model::ArchivedFile> files = backup.files;
  std::erase_if(files, [](const model::ArchivedFile& file) {
    return file.name != "backup.info" && !model::parse_backup_part(file.name);
  });
  return files;
}

bool same_files(const std::vector<model::ArchivedFile>& a,
                const std::vector<model::ArchivedFile>& b) {
  return std::ranges::equal(a, b, [](const auto& one, const auto& other) {
    return one.name == other.name && one.bytes == other.bytes && one.modified == other.modified &&
           one.storage_class == other.storage_class;
  });
}

std::int64_t bytes_of(const model::BaseBackup& backup) {
  std::int64_t bytes = 0;
  for (const model::ArchivedFile& file : backup.files) {
    if (model::parse_backup_part(file.name)) bytes += file.bytes;
  }
  return bytes;
}

// Why a GET would not give it, by the listing alone.
std::string frozen(const model::BaseBackup& backup) {
  for (const model::ArchivedFile& file : backup.files) {
    if (file.storage_class != "GLACIER" && file.storage_class != "DEEP_ARCHIVE") continue;
    return fmt::format("{} is in {}: it has to be restored from there first", file.name,
                       file.storage_class);
  }
  return "";
}

}  // namespace

DeepPass::DeepPass(SourceContext context, const config::ObjectStores& settings,
                   DeepStreams& streams, std::string server, const WalContents& wal,
                   std::function<void()> changed)
    : context_(context),
      settings_(settings),
      streams_(streams),
      server_(std::move(server)),
      changed_(std::move(changed)),
      wal_(server_, wal),
      news_(context.loop) {
  options_.stall = settings.request_timeout;
  options_.max_bytes = std::numeric_limits<std::int64_t>::max();  // the day's share is the bound
  options_.progress = [this](const DeepProgress& progress) {
    if (!backup_read_.empty()) of_backup_ = progress;
    tell_now_and_then();
  };
}

void DeepPass::listed_backups(std::vector<model::BaseBackup> backups) {
  backups_ = std::move(backups);
  has_backups_ = true;
  std::erase_if(verdicts_, [&](const auto& entry) {
    const auto found = std::ranges::find(backups_, entry.first, &model::BaseBackup::id);
    return found == backups_.end() || verdict_of(*found) == nullptr;
  });
}

void DeepPass::listed_wal(std::optional<std::int64_t> segment_bytes,
                          std::optional<std::uint64_t> system_id, WallTime whole_at) {
  segment_bytes_ = segment_bytes;
  system_id_ = system_id;
  has_wal_ = true;
  if (std::exchange(whole_at_, whole_at) != whole_at) wal_.look_again();
}

void DeepPass::go_on(std::string refused) {
  refused_ = std::move(refused);
  plan();
  tell();
  news_.notify_all();
}

void DeepPass::plan() {
  if (!segment_bytes_) return;
  std::vector<const model::BackupInfo*> done;
  for (const model::BaseBackup& backup : backups_) {
    if (is_done(backup)) done.push_back(backup.info.if_known());
  }
  wal_.listed(*segment_bytes_, done);
}

void DeepPass::put_into(std::vector<model::BaseBackup>& backups) const {
  for (model::BaseBackup& backup : backups) {
    if (const Verdict* verdict = verdict_of(backup)) backup.proof = verdict->proof;
  }
}

Result<void> DeepPass::put_into(model::WalArchive& wal) const { return wal_.put_into(wal); }

const DeepPass::Verdict* DeepPass::verdict_of(const model::BaseBackup& backup) const {
  const auto found = verdicts_.find(backup.id);
  if (found == verdicts_.end() || !is_done(backup)) return nullptr;
  return same_files(found->second.files, files_of(backup)) ? &found->second : nullptr;
}

const model::BaseBackup* DeepPass::next_backup() const {
  for (auto backup = backups_.rbegin(); backup != backups_.rend(); ++backup) {
    if (!is_done(*backup) || aside_.contains(backup->id)) continue;
    if (verdict_of(*backup) == nullptr) return &*backup;
  }
  return nullptr;
}

Task<> DeepPass::run(ObjectReader& objects) {
  const std::unique_ptr<ObjectReader> reader =
      streams_.metered(objects, settings_.listing_interval, [this](std::string why) {
        waits_ = std::move(why);
        tell();
      });
  // What an earlier run was reading when it was ended.
  if (prover_) wal_.lost(prover_->unfinished());
  prover_.reset();
  backup_read_.clear();
  waits_.clear();
  error_.clear();
  failures_ = 0;
  plan();
  for (;;) {
    if (co_await read_one(*reader)) {
      tell_now_and_then();
    } else if (!aside_.empty() || wal_.any_aside()) {
      tell();
      const int doublings = std::min(failures_++, kMostDoublings);
      const Duration pause = settings_.listing_interval * (1 << doublings);
      co_await context_.loop.sleep_for(std::min(pause, kMostPause));
      aside_.clear();
      wal_.take_up_again();
      in_a_row_ = 0;
      plan();
    } else {
      recovered();
      tell();
      co_await news_.wait_until(context_.loop.after(kMostPause));
    }
  }
}

bool DeepPass::listed() const {
  return (has_wal_ && has_backups_) || ((has_wal_ || has_backups_) && !refused_.empty());
}

// False: there is nothing to read now, or the store gives nothing.
Task<bool> DeepPass::read_one(ObjectReader& reader) {
  if (!listed()) co_return false;
  if (prover_ && (prover_bytes_ != segment_bytes_ || prover_system_ != system_id_)) {
    wal_.lost(prover_->unfinished());
    prover_.reset();
    plan();
  }
  std::optional<DeepWalPlan::Item> item;
  if (segment_bytes_) item = wal_.next(prover_ ? prover_->last() : std::nullopt);
  const model::BaseBackup* backup = next_backup();
  if (!item && backup == nullptr) co_return false;
  Result<void> read;
  const bool wal_first = item && (item->needed || of_wal_.done <= backup_bytes_);
  if (backup == nullptr || wal_first) {
    read = co_await read_segment(reader, *std::move(item));
  } else {
    read = co_await read_backup(reader, *backup);
  }
  if (read) {
    in_a_row_ = 0;
    if (aside_.empty() && !wal_.any_aside()) recovered();
    co_return true;
  }
  failed(read.error());
  co_return !is_transient(read.error()) && ++in_a_row_ < kMostInARow;
}

Task<Result<void>> DeepPass::read_segment(ObjectReader& reader, DeepWalPlan::Item item) {
  if (!prover_) {
    prover_ = std::make_unique<WalProver>(context_.loop, reader, *segment_bytes_, system_id_);
    prover_bytes_ = segment_bytes_;
    prover_system_ = system_id_;
  }
  const model::WalSegment segment = item.file.segment;
  Result<void> read;
  if (auto before = wal_.lead_in(segment, prover_->last())) {
    read = co_await prover_->read(*std::move(before), options_, of_wal_);
  }
  const std::vector<model::WalSegment> unfinished = prover_->unfinished();
  if (read) read = co_await prover_->read(item.file, options_, of_wal_);
  if (!read) {
    static_cast<void>(prover_->take());
    wal_.lost(unfinished);
    wal_.set_aside(segment);
    plan();
    co_return read;
  }
  wal_.found(item, prover_->take(), prover_->unfinished());
  co_return Result<void>();
}

Task<Result<void>> DeepPass::read_backup(ObjectReader& reader, model::BaseBackup backup) {
  Verdict verdict;
  verdict.files = files_of(backup);
  const std::string id = backup.id;
  verdict.unreadable = frozen(backup);
  if (verdict.unreadable.empty()) {
    backup_read_ = id;
    of_backup_ = {};
    const std::string prefix = fmt::format("{}base/{}/", server_, id);
    Result<model::BackupProof> proof =
        co_await prove_backup(context_.loop, reader, prefix, std::move(backup), options_);
    backup_read_.clear();
    backup_bytes_ += of_backup_.done;
    const bool never = !proof && proof.error().code() == ErrorCode::kUnsupported;
    if (!proof && !never) {
      aside_.insert(id);
      co_return proof.error().context("backup " + id);
    }
    if (proof) {
      verdict.proof = *std::move(proof);
    } else {
      verdict.unreadable = proof.error().message();
    }
  }
  // Another listing may have come while it was read.
  verdicts_[id] = std::move(verdict);
  co_return Result<void>();
}

void DeepPass::failed(const Error& error) {
  if (error_.empty()) {
    context_.log.warn(kSource, "deep pass does not go on", {{"target", server_}, {"err", error}});
  }
  error_ = error.message();
}

void DeepPass::recovered() {
  if (!error_.empty()) context_.log.info(kSource, "deep pass goes on", {{"target", server_}});
  error_.clear();
  failures_ = 0;
}

// Whether all that is listed has a verdict, as far as there can be one.
bool DeepPass::all_read() {
  if (!listed()) return !refused_.empty();
  if (!aside_.empty() || next_backup() != nullptr) return false;
  const bool unread = std::ranges::any_of(backups_, [](const model::BaseBackup& backup) {
    return !backup.info.is_known() && is_transient(backup.info.why().error);
  });
  return !unread && (!segment_bytes_ || wal_.complete(prover_ ? prover_->last() : std::nullopt));
}

std::string DeepPass::trouble() const {
  if (!waits_.empty()) return waits_;
  if (!error_.empty()) return error_;
  if (!refused_.empty()) return refused_;
  for (auto verdict = verdicts_.rbegin(); verdict != verdicts_.rend(); ++verdict) {
    if (verdict->second.unreadable.empty()) continue;
    return fmt::format("backup {}: {}", verdict->first, verdict->second.unreadable);
  }
  return segment_bytes_ ? wal_.unreadable() : "";
}

void DeepPass::tell_now_and_then() {
  if (context_.loop.now() - told_at_ >= kProgressInterval) tell();
}

void DeepPass::tell() {
  told_ = {};
  told_at_ = context_.loop.now();
  told_.complete = all_read();
  told_.last_error = trouble();
  told_.total_bytes = wal_.total_bytes();
  std::int64_t left = told_.complete ? 0 : wal_.left_bytes();
  for (const model::BaseBackup& backup : backups_) {
    if (!is_done(backup)) continue;
    const std::int64_t bytes = bytes_of(backup);
    told_.total_bytes += bytes;
    if (verdict_of(backup) != nullptr) continue;
    left += backup.id == backup_read_ ? std::max<std::int64_t>(0, bytes - of_backup_.done) : bytes;
  }
  told_.done_bytes = told_.total_bytes - left;
  changed_();
}

}  // namespace keelwatch::sources
