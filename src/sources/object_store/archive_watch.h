// One archive, read again and again. A pass lists base/ and what is new in wals/, now and then all
// of it, reads the backup.info and history files that it has not read, and the first pages of
// segments: of each that is new, and at the start of the newest and of those that the backups begin
// and end with.
//
// What a pass could not read stays as the last one that could has left it, and its age shows; a
// refusal or an answer that makes no sense leaves none.
// Beside that, if the settings say so, a DeepPass reads everything.
// Threads: the loop's. Destroying it ends the request.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "discovery/archives.h"
#include "model/archive.h"
#include "sources/object_store/archive_reader.h"
#include "sources/object_store/base_listing.h"
#include "sources/object_store/deep_pass.h"
#include "sources/object_store/request_slots.h"
#include "sources/object_store/segment_proofs.h"
#include "sources/object_store/wal_listing.h"
#include "sources/poll.h"
#include "sources/source.h"

namespace keelwatch::sources {

class ArchiveWatch {
 public:
  // `changed` is called whenever archive() or report() has news. All but the target outlive it.
  ArchiveWatch(SourceContext context, const config::ObjectStores& settings, const OpenArchive& open,
               RequestSlots& slots, DeepStreams& deep_streams, discovery::ArchiveTarget target,
               std::function<void()> changed);

  void start();
  // The same archive by another way: another credential, CA or reason. What is known stays.
  void set_target(discovery::ArchiveTarget target);
  [[nodiscard]] const discovery::ArchiveTarget& target() const { return target_; }

  [[nodiscard]] std::shared_ptr<const model::Archive> archive() const { return archive_; }
  [[nodiscard]] model::SourceReport report() const;
  void rethrow_failure() { scope_.rethrow_failure(); }

 private:
  [[nodiscard]] Task<> run();
  [[nodiscard]] Task<> pass();
  [[nodiscard]] Duration pause() const;
  // Whether base/ (wals/) has been listed.
  [[nodiscard]] Task<bool> read_base();
  [[nodiscard]] Task<bool> read_wal();
  [[nodiscard]] Task<> read_infos();
  [[nodiscard]] Task<> read_histories();
  [[nodiscard]] Task<> read_settings();

  [[nodiscard]] Task<Result<void>> list_whole();
  [[nodiscard]] Task<Result<void>> list_new();

  [[nodiscard]] Task<> learn_segment_size();
  [[nodiscard]] Task<> prove_segments();
  void want_segments();
  // The begin of a segment; neither: the bytes that may be asked for do not hold it.
  struct Begin {
    std::optional<WalPageHeader> header;
    std::string damage;  // why its stored bytes give none
  };
  [[nodiscard]] Task<Result<Begin>> read_begin(SegmentToProve segment);

  [[nodiscard]] Task<Result<S3Page>> list(S3ListRequest request);
  [[nodiscard]] Task<Result<std::string>> get(std::string key, std::size_t max_bytes);
  [[nodiscard]] Task<Result<std::string>> get_first(std::string key, std::size_t bytes);

  // Puts an answer, or why there is none, into the archive; the error counts against the pass.
  template <typename T>
  void put(Observed<T> model::Archive::* place, Result<T> answer);
  void note_failure(const Error& error);
  void put_wal();
  [[nodiscard]] Result<model::WalArchive> wal_facts() const;
  [[nodiscard]] std::vector<model::BaseBackup> backups() const;
  // What the pass has listed goes to the deep pass / what that has found into the archive.
  void tell_deep();
  void put_deep();
  void set_absent(const model::SourceReport& report, const Why& why);
  [[nodiscard]] std::string wal_key(const std::string& below) const;
  [[nodiscard]] SteadyTime deadline() const;

  SourceContext context_;
  const config::ObjectStores& settings_;
  const OpenArchive& open_;
  RequestSlots& slots_;
  discovery::ArchiveTarget target_;
  std::function<void()> changed_;

  std::string name_;                       // "object_store s3://bucket/path/server"
  std::string server_;                     // "path/server/"
  std::unique_ptr<ArchiveReader> reader_;  // absent: the target has a reason not to be read
  S3Traffic traffic_before_;               // of the readers before
  PollReport report_;
  std::optional<model::SourceReport> idle_report_;  // while there is no reader
  std::shared_ptr<const model::Archive> archive_;

  BaseListing base_;
  WalListing wal_;
  SegmentProofs proofs_;
  std::optional<DeepPass> deep_;  // absent: it is not asked for
  bool whole_due_ = true;
  bool settings_due_ = true;
  bool size_due_ = true;  // the newest segment is to tell the segment size
  bool seeded_ = false;   // the first segments to prove are chosen
  SteadyTime next_whole_{};
  std::optional<std::int64_t> seen_segment_bytes_;  // in the newest segment
  std::optional<std::uint64_t> seen_system_id_;     // in the first segment that was read
  std::optional<Error> failure_;                    // the first of this pass
  int failures_ = 0;                                // passes in a row
  TaskScope scope_;                                 // last: ends first
};

}  // namespace keelwatch::sources
