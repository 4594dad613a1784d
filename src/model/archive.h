// What an object store holds of one server: base backups, WAL and timeline histories as
// barman-cloud lays them out (barman/cloud.py, xlog.py, infofile.py), read from the store itself.
//   <path>/<server>/base/<id>/backup.info, data.tar[.gz|...], data_0001.tar, <oid>.tar,
//   annotations/keep <path>/<server>/wals/<tli8><log8>/<24 hex>[.gz|...], <24 hex>.partial, <24
//   hex>.<8 hex>.backup <path>/<server>/wals/<8 hex>.history
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/observed.h"
#include "model/fields.h"
#include "model/source_report.h"
#include "model/wal_segment.h"

namespace keelwatch::model {

// One server's place in an object store: s3://bucket/path/server at an endpoint.
struct ArchiveId {
  std::string endpoint;  // scheme://host[:port]; empty: AWS's own
  std::string bucket;
  std::string path;    // without slashes at its ends; may be empty
  std::string server;  // barman's server name

  auto operator<=>(const ArchiveId&) const = default;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("endpoint", &ArchiveId::endpoint), field("bucket", &ArchiveId::bucket),
                field("path", &ArchiveId::path), field("server", &ArchiveId::server));
  }
};

// "s3://bucket/path".
[[nodiscard]] std::string destination(const ArchiveId& id);
// "s3://bucket/path/server": for people, and the target of a SourceReport.
[[nodiscard]] std::string text(const ArchiveId& id);

struct ArchivedFile {
  std::string name;  // below the backup's directory: data.tar.gz, 16390.tar, annotations/keep
  std::int64_t bytes = 0;
  std::optional<WallTime> modified;
  std::string storage_class;  // GLACIER, ...; empty: not told, which is STANDARD

  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &ArchivedFile::name), field("bytes", &ArchivedFile::bytes),
                field("modified", &ArchivedFile::modified),
                field("storageClass", &ArchivedFile::storage_class));
  }
};

struct BackupTablespace {
  std::string name;
  std::int64_t oid = 0;
  std::string location;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("name", &BackupTablespace::name), field("oid", &BackupTablespace::oid),
                field("location", &BackupTablespace::location));
  }
};

// backup.info. What the file has as None, or not at all, is absent.
struct BackupInfo {
  std::string status;  // EMPTY, STARTED, WAITING_FOR_WALS, DONE, SYNCING, FAILED: only DONE counts
  std::string error;
  std::string backup_name;
  std::string compression;  // of the data files, as far as told
  std::string encryption;
  std::optional<std::int64_t> server_version;  // 150004
  std::optional<std::uint64_t> system_id;
  std::optional<std::int64_t> timeline;
  std::optional<std::int64_t> segment_bytes;  // xlog_segment_size
  std::string begin_wal;                      // 24 hexadecimal digits
  std::string end_wal;
  std::optional<Lsn> begin_lsn;  // begin_xlog
  std::optional<Lsn> end_lsn;
  std::optional<WallTime> begin_time;
  std::optional<WallTime> end_time;
  std::optional<std::int64_t> cluster_bytes;  // of the data directory when it was copied
  std::vector<BackupTablespace> tablespaces;

  template <typename With>
  static auto fields(With&& with) {
    using B = BackupInfo;
    return with(field("status", &B::status), field("error", &B::error),
                field("backupName", &B::backup_name), field("compression", &B::compression),
                field("encryption", &B::encryption), field("serverVersion", &B::server_version),
                field("systemId", &B::system_id), field("timeline", &B::timeline),
                field("segmentBytes", &B::segment_bytes), field("beginWal", &B::begin_wal),
                field("endWal", &B::end_wal), field("beginLsn", &B::begin_lsn),
                field("endLsn", &B::end_lsn), field("beginTime", &B::begin_time),
                field("endTime", &B::end_time), field("clusterBytes", &B::cluster_bytes),
                field("tablespaces", &B::tablespaces));
  }
};

// The verdict of a deep pass over a backup's bytes.
struct BackupProof {
  bool whole = false;      // every tar to its end, no part missing, control file and label there
  std::string fault;       // what is wrong and where; empty if whole
  std::int64_t bytes = 0;  // read, as stored
  bool page_checksums = false;  // whether the cluster has them: without, a changed byte is not seen

  template <typename With>
  static auto fields(With&& with) {
    return with(field("whole", &BackupProof::whole), field("fault", &BackupProof::fault),
                field("bytes", &BackupProof::bytes),
                field("pageChecksums", &BackupProof::page_checksums));
  }
};

// A directory of base/.
struct BaseBackup {
  std::string id;                   // its name: 20251124T000105
  std::vector<ArchivedFile> files;  // sorted by name
  // Unknown with kNotFound: there is no backup.info (running, or the debris of a crash); with
  // kMalformed: it cannot be read; else: the store did not give it.
  Observed<BackupInfo> info;
  std::optional<BackupProof> proof;  // of exactly these files; absent: no deep pass saw them

  template <typename With>
  static auto fields(With&& with) {
    return with(field("id", &BaseBackup::id), field("files", &BaseBackup::files),
                field("info", &BaseBackup::info), field("proof", &BaseBackup::proof));
  }
};

// Segments of one timeline without a gap, by their names. Those with a fault count as there.
struct WalRun {
  std::int64_t timeline = 0;
  std::int64_t first = 0;  // segment numbers, both included
  std::int64_t last = 0;
  std::int64_t bytes = 0;                  // as stored
  std::optional<WallTime> first_modified;  // of the segment `first`
  std::optional<WallTime> last_modified;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("timeline", &WalRun::timeline), field("first", &WalRun::first),
                field("last", &WalRun::last), field("bytes", &WalRun::bytes),
                field("firstModified", &WalRun::first_modified),
                field("lastModified", &WalRun::last_modified));
  }
};

// Segments of one timeline that have been looked into: their first page, or every record.
struct WalProof {
  std::int64_t timeline = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::string by;                           // header, deep
  std::optional<WallTime> last_modified{};  // of the segment `last`: how far in time it is proven

  template <typename With>
  static auto fields(With&& with) {
    return with(field("timeline", &WalProof::timeline), field("first", &WalProof::first),
                field("last", &WalProof::last), field("by", &WalProof::by),
                field("lastModified", &WalProof::last_modified));
  }
};

// A segment, or a .partial that stands in for one, that is listed and cannot be replayed as it is.
struct WalFault {
  WalSegment segment;
  // empty, wrong_size, magic, timeline, address, system_id, segment_size, compressed_data, record,
  // storage_class
  std::string kind;
  std::string detail;  // for people: what was found, what was expected
  std::optional<WallTime> modified;
  std::optional<WallTime> previous_modified{};  // of the segment before it: when it was whole last

  template <typename With>
  static auto fields(With&& with) {
    return with(field("segment", &WalFault::segment), field("kind", &WalFault::kind),
                field("detail", &WalFault::detail), field("modified", &WalFault::modified),
                field("previousModified", &WalFault::previous_modified));
  }
};

// A <segment>.partial that restore_command gives for the segment: what a promoted standby had of
// the last segment of the timeline before.
struct PartialSegment {
  WalSegment segment;
  std::int64_t bytes = 0;
  std::optional<WallTime> modified;
  bool hides_whole = false;  // the whole segment is there too: .snappy, .xz, .zst come after it

  template <typename With>
  static auto fields(With&& with) {
    return with(field("segment", &PartialSegment::segment), field("bytes", &PartialSegment::bytes),
                field("modified", &PartialSegment::modified),
                field("hidesWhole", &PartialSegment::hides_whole));
  }
};

// How far a deep pass could follow the records of a segment that it could not prove: a .partial, a
// segment whose last record goes on in one that is not there, or one with a damaged record.
struct WalTail {
  WalSegment segment;
  Lsn end{};  // of the last whole record; the segment's begin: there is none

  template <typename With>
  static auto fields(With&& with) {
    return with(field("segment", &WalTail::segment), field("end", &WalTail::end));
  }
};

struct TimelineSwitch {
  std::int64_t parent = 0;
  Lsn position{};  // the first byte that the parent does not share
  std::string reason;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("parent", &TimelineSwitch::parent),
                field("position", &TimelineSwitch::position),
                field("reason", &TimelineSwitch::reason));
  }
};

// A <8 hex>.history.
struct TimelineHistory {
  std::int64_t timeline = 0;
  // Oldest first; unknown with kMalformed: garbage; with kNotFound: restore_command gives none.
  Observed<std::vector<TimelineSwitch>> switches;
  std::optional<WallTime> modified;

  template <typename With>
  static auto fields(With&& with) {
    return with(field("timeline", &TimelineHistory::timeline),
                field("switches", &TimelineHistory::switches),
                field("modified", &TimelineHistory::modified));
  }
};

// wals/ as a whole.
struct WalArchive {
  // Of the names; from the first page of a segment, else a backup.info. Absent while neither tells:
  // then runs, faults and partials are empty.
  std::optional<std::int64_t> segment_bytes;
  std::optional<std::uint64_t> system_id;  // of the newest segment whose first page was read
  std::vector<WalRun> runs;                // sorted by (timeline, first)
  std::vector<WalProof> proofs;          // sorted by (by, timeline, first), joined where they touch
  std::vector<WalFault> faults;          // sorted by segment
  std::vector<WalTail> tails;            // sorted by segment
  std::vector<PartialSegment> partials;  // sorted by segment, none that is in `runs`
  std::vector<TimelineHistory> histories;  // sorted by timeline
  std::vector<std::string> foreign;        // the first names that are none of barman's
  std::int64_t foreign_objects = 0;
  std::int64_t objects = 0;
  std::int64_t bytes = 0;
  WallTime listed_whole_at{};  // begin of the last listing of everything; between them only what is
                               // new is asked for, so a deletion shows at the next one

  template <typename With>
  static auto fields(With&& with) {
    using W = WalArchive;
    return with(field("segmentBytes", &W::segment_bytes), field("systemId", &W::system_id),
                field("runs", &W::runs), field("proofs", &W::proofs), field("faults", &W::faults),
                field("tails", &W::tails), field("partials", &W::partials),
                field("histories", &W::histories), field("foreign", &W::foreign),
                field("foreignObjects", &W::foreign_objects), field("objects", &W::objects),
                field("bytes", &W::bytes), field("listedWholeAt", &W::listed_whole_at));
  }
};

// What protects the bucket's objects, or takes them away; read where it is permitted.
struct BucketSettings {
  std::optional<bool> versioning;
  std::optional<bool> object_lock;
  std::optional<std::int64_t>
      expires_after_days;  // the shortest lifecycle rule that reaches the path
  std::optional<std::int64_t> archives_after_days;  // a transition to a class that must be thawed
  std::vector<std::string> not_permitted;           // which of them could not be read

  template <typename With>
  static auto fields(With&& with) {
    using B = BucketSettings;
    return with(field("versioning", &B::versioning), field("objectLock", &B::object_lock),
                field("expiresAfterDays", &B::expires_after_days),
                field("archivesAfterDays", &B::archives_after_days),
                field("notPermitted", &B::not_permitted));
  }
};

// How far the deep pass is with what is listed.
struct DeepPass {
  std::int64_t done_bytes = 0;  // as stored
  std::int64_t total_bytes = 0;
  bool complete = false;   // everything has been read once since it was listed
  std::string last_error;  // why it does not go on; empty: it does

  template <typename With>
  static auto fields(With&& with) {
    return with(field("doneBytes", &DeepPass::done_bytes),
                field("totalBytes", &DeepPass::total_bytes), field("complete", &DeepPass::complete),
                field("lastError", &DeepPass::last_error));
  }
};

struct Archive {
  ArchiveId id;
  Observed<std::vector<BaseBackup>> backups;  // sorted by id
  Observed<WalArchive> wal;
  Observed<BucketSettings> settings;
  std::optional<DeepPass> deep{};  // absent: none is asked for

  template <typename With>
  static auto fields(With&& with) {
    return with(field("id", &Archive::id), field("backups", &Archive::backups),
                field("wal", &Archive::wal), field("settings", &Archive::settings),
                field("deep", &Archive::deep));
  }

  // Calls f(place) with the member of each answer, an Observed<T> Archive::*.
  template <typename F>
  static void for_each_answer(F&& f) {
    f(&Archive::backups);
    f(&Archive::wal);
    f(&Archive::settings);
  }

  // Every answer absent for that reason.
  [[nodiscard]] static Archive absent(ArchiveId id, const Why& why);
};

// What the object store source publishes, sorted by id.
struct ArchiveSlice {
  std::vector<std::shared_ptr<const Archive>> archives;
  std::vector<SourceReport> reports;  // target = text(id)

  template <typename With>
  static auto fields(With&& with) {
    return with(field("archives", &ArchiveSlice::archives),
                field("reports", &ArchiveSlice::reports));
  }
};

}  // namespace keelwatch::model
