// Reads what one archive holds to its last byte, beside its listings and never in their way: the
// WAL that backups need to be consistent first, then backups (the newest first) and the rest of the
// WAL, whichever of them has been read less. What has a verdict is not read again while it is
// listed as it was, except WAL that is damaged: once after every whole listing.
// An error of the store is told, and waited out; what only it concerns is set aside for the rest.
// Threads: the loop's. Destroying the task of run() ends its request; it may be run again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "config/config.h"
#include "model/archive.h"
#include "sources/object_store/deep_streams.h"
#include "sources/object_store/deep_wal_plan.h"
#include "sources/source.h"

namespace keelwatch::sources {

class DeepPass {
 public:
  // `server` is "<path>/<server>/". `changed` is called when there are verdicts or progress (not
  // more than once a second). All but the name outlive it.
  DeepPass(SourceContext context, const config::ObjectStores& settings, DeepStreams& streams,
           std::string server, const WalContents& wal, std::function<void()> changed);

  // `objects` outlives the task.
  [[nodiscard]] Task<> run(ObjectReader& objects);

  // What is there now, of what could be listed. Without a segment size nothing can be said of WAL.
  void listed_backups(std::vector<model::BaseBackup> backups);
  void listed_wal(std::optional<std::int64_t> segment_bytes, std::optional<std::uint64_t> system_id,
                  WallTime whole_at);
  // Then this. `refused`: why a part of the archive will not be listed; empty: all of it was, or
  // will be.
  void go_on(std::string refused);

  // Adds the verdicts. Errors: kTooLarge (more faults than can be told).
  void put_into(std::vector<model::BaseBackup>& backups) const;
  [[nodiscard]] Result<void> put_into(model::WalArchive& wal) const;
  [[nodiscard]] model::DeepPass progress() const { return told_; }

 private:
  // Of a backup with exactly these files; neither: not read yet.
  struct Verdict {
    std::vector<model::ArchivedFile> files;
    std::optional<model::BackupProof> proof;
    std::string unreadable;
  };

  void plan();
  [[nodiscard]] const model::BaseBackup* next_backup() const;
  [[nodiscard]] const Verdict* verdict_of(const model::BaseBackup& backup) const;
  [[nodiscard]] Task<bool> read_one(ObjectReader& reader);
  [[nodiscard]] Task<Result<void>> read_backup(ObjectReader& reader, model::BaseBackup backup);
  [[nodiscard]] Task<Result<void>> read_segment(ObjectReader& reader, DeepWalPlan::Item item);
  [[nodiscard]] bool listed() const;
  void failed(const Error& error);
  void recovered();
  [[nodiscard]] bool all_read();
  [[nodiscard]] std::string trouble() const;
  void tell();
  void tell_now_and_then();

  SourceContext context_;
  const config::ObjectStores& settings_;
  DeepStreams& streams_;
  std::string server_;
  std::function<void()> changed_;

  std::vector<model::BaseBackup> backups_;
  bool has_backups_ = false;
  std::map<std::string, Verdict> verdicts_;  // by the backup's id
  std::set<std::string> aside_;              // backups that could not be read just now
  std::string backup_read_;                  // the one that is being read
  DeepProgress of_backup_;                   // how far
  std::int64_t backup_bytes_ = 0;            // all that was ever read

  DeepWalPlan wal_;
  bool has_wal_ = false;
  std::optional<std::int64_t> segment_bytes_;
  std::optional<std::uint64_t> system_id_;
  std::optional<WallTime> whole_at_;
  std::unique_ptr<WalProver> prover_;         // of the last run()
  std::optional<std::int64_t> prover_bytes_;  // what it judges by
  std::optional<std::uint64_t> prover_system_;
  DeepProgress of_wal_;  // all that was ever read

  DeepOptions options_;
  Signal news_;
  std::string refused_;
  std::string waits_;  // for what is left of the day
  std::string error_;  // of the store, not overcome yet
  int in_a_row_ = 0;   // objects that were not given
  int failures_ = 0;   // pauses in a row
  model::DeepPass told_;
  SteadyTime told_at_{};
};

}  // namespace keelwatch::sources
