#include "app/backups.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "analysis/recovery.h"
#include "app/terminal.h"
#include "base/json.h"
#include "base/time_text.h"

namespace keelwatch::app {
namespace {

using analysis::Proof;
using analysis::Recovery;
using analysis::RestorePoint;
using model::wal_segment_name;

constexpr std::size_t index(Proof proof) { return static_cast<std::size_t>(proof); }

bool is_of(const Recovery& recovery, std::string_view cluster) {
  return cluster.empty() || recovery.cluster == cluster ||
         recovery.ns + "/" + recovery.cluster == cluster;
}

std::vector<const Recovery*> chosen(const Moment& moment, const BackupsView& view) {
  std::vector<const Recovery*> archives;
  for (const Recovery& recovery : moment.assessment.recovery.archives) {
    if (is_of(recovery, view.cluster)) archives.push_back(&recovery);
  }
  return archives;
}

// Why nothing is known of the archive's backups or WAL; empty: both are known.
std::string ignorance(const Recovery& recovery) {
  const model::Archive& found = *recovery.found;
  if (!found.backups.is_known()) return found.backups.why().error.message();
  if (!found.wal.is_known()) return found.wal.why().error.message();
  return "";
}

// The strongest proof with which a backup restores; nothing: it does not.
std::optional<Proof> proof_of(const RestorePoint& point) {
  for (const Proof proof : {Proof::kDeep, Proof::kHeader, Proof::kListed}) {
    if (point.restorable[index(proof)]) return proof;
  }
  return std::nullopt;
}

struct Verdict {
  std::string_view restorable;  // yes, no, unknown
  std::string why;
  std::optional<Proof> proof;  // what `until` of the backup rests on
};

Verdict judge(const RestorePoint& point, bool deep) {
  const std::optional<Proof> proof = proof_of(point);
  std::string why = point.reason;
  if (!point.latest_fails.empty()) why += (why.empty() ? "" : "; ") + point.latest_fails;
  if (point.state == analysis::BackupState::kUnknown) return {"unknown", std::move(why), {}};
  if (!proof || point.state == analysis::BackupState::kOtherSystem) {
    return {"no", std::move(why), {}};
  }
  if (deep && *proof != Proof::kDeep) {
    return {"unknown", why.empty() ? "not all of it could be proven" : std::move(why), proof};
  }
  return {"yes", std::move(why), deep ? Proof::kDeep : Proof::kListed};
}

// ---- text

std::string when(const std::optional<WallTime>& time) {
  return time ? format_rfc3339(*time, 0) : "-";
}

std::string size(std::int64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, kUnits[unit]);
}

// Columns as wide as their widest cell; the last is not padded.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = " ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += fmt::format(" {:<{}} ", row[i], i + 1 == row.size() ? 0 : widths[i]);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string window_text(const Recovery& recovery) {
  std::string out;
  for (const Proof proof : {Proof::kListed, Proof::kHeader, Proof::kDeep}) {
    const auto& window = recovery.points->window[index(proof)];
    const std::string name = fmt::format("  window by {:<7}", analysis::kProofs[index(proof)]);
    const auto* known = window.if_known();
    if (known == nullptr) {
      out += name + "unknown: " + window.why().error.message() + "\n";
    } else if (!*known) {
      out += name + "none: nothing can be restored\n";
    } else {
      out += fmt::format("{}{} to {} (timeline {}, {} to {})\n", name, when((*known)->start),
                         when((*known)->end), (*known)->timeline, to_string((*known)->start_lsn),
                         to_string((*known)->end_lsn));
    }
  }
  return out;
}

std::string backups_table(const Recovery& recovery, bool deep) {
  const auto* points = recovery.points->backups.if_known();
  const auto* backups = recovery.found->backups.if_known();
  if (points == nullptr || backups == nullptr) return "";
  if (points->empty()) return "  no base backup\n";
  std::vector<std::vector<std::string>> rows = {
      {"BACKUP", "BEGIN", "END", "SIZE", "TIMELINE", "RESTORABLE", "UNTIL", "WHY"}};
  for (const RestorePoint& point : *points) {
    const Verdict verdict = judge(point, deep);
    const auto backup = std::ranges::find(*backups, point.id, &model::BaseBackup::id);
    const model::BackupInfo* info = backup == backups->end() ? nullptr : backup->info.if_known();
    std::string until = "-";
    if (verdict.proof) {
      const analysis::Reach& reach = point.reach[index(*verdict.proof)];
      until = reach.last_modified ? when(reach.last_modified) : to_string(reach.end);
    }
    rows.push_back({point.id, when(info != nullptr ? info->begin_time : std::nullopt),
                    when(point.end_time), size(point.stored_bytes),
                    point.timeline ? std::to_string(*point.timeline) : "-",
                    std::string(verdict.restorable), std::move(until), verdict.why});
  }
  return table(rows);
}

std::string wal_text(const model::WalArchive& wal) {
  if (!wal.segment_bytes) return "  WAL of unknown segment size: no first page, no backup.info\n";
  std::vector<std::vector<std::string>> rows = {{"WAL", "FIRST", "LAST", "SEGMENTS", "SIZE"}};
  for (const model::WalRun& run : wal.runs) {
    rows.push_back({fmt::format("timeline {}", run.timeline),
                    wal_segment_name({run.timeline, run.first}, *wal.segment_bytes),
                    wal_segment_name({run.timeline, run.last}, *wal.segment_bytes),
                    std::to_string(run.last - run.first + 1), size(run.bytes)});
  }
  std::string out = rows.size() == 1 ? "  no WAL\n" : table(rows);
  for (const model::WalFault& fault : wal.faults) {
    out +=
        fmt::format("  damaged: {} ({}): {}\n", wal_segment_name(fault.segment, *wal.segment_bytes),
                    fault.kind, fault.detail);
  }
  return out;
}

std::string gaps_text(const Recovery& recovery, std::int64_t segment_bytes) {
  const auto* gaps = recovery.points->gaps.if_known();
  std::string out;
  if (gaps == nullptr) return out;
  for (const analysis::WalGap& gap : gaps->first) {
    out += fmt::format("  gap: {} segment{} from {}{}\n", gap.segments,
                       gap.segments == 1 ? "" : "s", wal_segment_name(gap.first, segment_bytes),
                       gap.since ? ", seen since " + when(gap.since) : "");
  }
  return out;
}

std::string text_of(const Recovery& recovery, bool deep) {
  std::string out = text(recovery.archive);
  if (!recovery.archive.endpoint.empty()) out += " at " + recovery.archive.endpoint;
  out += recovery.cluster.empty() ? "\n  of no Cluster that is known\n"
                                  : fmt::format("\n  of cluster {}{}{}\n", recovery.ns,
                                                recovery.ns.empty() ? "" : "/", recovery.cluster);
  const std::string why = ignorance(recovery);
  out += why.empty() ? window_text(recovery) : "  unknown: " + why + "\n";
  for (const analysis::LineageFact& fact : recovery.lineage) {
    if (const bool* holds = fact.holds.if_known(); holds != nullptr && *holds) {
      out += "  not its own: " + fact.detail + "\n";
    }
  }
  out += "\n" + backups_table(recovery, deep);
  if (const auto* wal = recovery.found->wal.if_known()) {
    out += "\n" + wal_text(*wal);
    if (wal->segment_bytes) out += gaps_text(recovery, *wal->segment_bytes);
  }
  return out;
}

// ---- JSON

void put_time(JsonWriter& json, std::string_view name, const std::optional<WallTime>& time) {
  json.key(name);
  if (time) {
    json.value(format_rfc3339(*time));
  } else {
    json.null();
  }
}

void put_backup(JsonWriter& json, const RestorePoint& point, bool deep) {
  const Verdict verdict = judge(point, deep);
  json.begin_object();
  json.member("id", point.id);
  json.member("restorable", verdict.restorable);
  json.member("state", to_string(point.state));
  json.member("why", verdict.why);
  put_time(json, "end", point.end_time);
  json.member("bytes", point.stored_bytes);
  if (point.timeline) json.member("timeline", *point.timeline);
  if (verdict.proof) {
    const analysis::Reach& reach = point.reach[index(*verdict.proof)];
    json.member("proof", analysis::kProofs[index(*verdict.proof)]);
    put_time(json, "until", reach.last_modified);
    json.member("until_lsn", to_string(reach.end));
    if (reach.last) json.member("until_timeline", reach.last->timeline);
    json.member("until_partial", reach.last_is_partial);
    json.member("latest_fails", point.latest_fails);
  }
  json.end_object();
}

void put_windows(JsonWriter& json, const Recovery& recovery) {
  json.key("windows").begin_array();
  for (const Proof proof : {Proof::kListed, Proof::kHeader, Proof::kDeep}) {
    const auto* window = recovery.points->window[index(proof)].if_known();
    if (window == nullptr || !*window) continue;
    json.begin_object();
    json.member("proof", analysis::kProofs[index(proof)]);
    put_time(json, "start", (*window)->start);
    put_time(json, "end", (*window)->end);
    json.member("start_lsn", to_string((*window)->start_lsn));
    json.member("end_lsn", to_string((*window)->end_lsn));
    json.member("timeline", (*window)->timeline);
    json.end_object();
  }
  json.end_array();
}

void put_wal(JsonWriter& json, const Recovery& recovery, const model::WalArchive& wal) {
  json.key("wal").begin_array();
  for (const model::WalRun& run : wal.runs) {
    json.begin_object();
    json.member("timeline", run.timeline);
    json.member("first", wal_segment_name({run.timeline, run.first}, *wal.segment_bytes));
    json.member("last", wal_segment_name({run.timeline, run.last}, *wal.segment_bytes));
    json.member("segments", run.last - run.first + 1);
    json.member("bytes", run.bytes);
    json.end_object();
  }
  json.end_array();
  json.key("gaps").begin_array();
  if (const auto* gaps = recovery.points->gaps.if_known()) {
    for (const analysis::WalGap& gap : gaps->first) {
      json.begin_object();
      json.member("first", wal_segment_name(gap.first, *wal.segment_bytes));
      json.member("segments", gap.segments);
      put_time(json, "since", gap.since);
      json.end_object();
    }
  }
  json.end_array();
  json.key("faults").begin_array();
  for (const model::WalFault& fault : wal.faults) {
    json.begin_object();
    json.member("segment", wal_segment_name(fault.segment, *wal.segment_bytes));
    json.member("kind", fault.kind);
    json.member("detail", fault.detail);
    json.end_object();
  }
  json.end_array();
}

void put_archive(JsonWriter& json, const Recovery& recovery, bool deep) {
  json.begin_object();
  json.member("archive", text(recovery.archive));
  json.member("endpoint", recovery.archive.endpoint);
  json.member("namespace", recovery.ns);
  json.member("cluster", recovery.cluster);
  json.member("unknown", ignorance(recovery));
  put_windows(json, recovery);
  json.key("backups").begin_array();
  if (const auto* points = recovery.points->backups.if_known()) {
    for (const RestorePoint& point : *points) put_backup(json, point, deep);
  }
  json.end_array();
  const auto* wal = recovery.found->wal.if_known();
  if (wal != nullptr && wal->segment_bytes) put_wal(json, recovery, *wal);
  json.end_object();
}

}  // namespace

std::string backups_text(const Moment& moment, const BackupsView& view) {
  std::string out;
  for (const Recovery* recovery : chosen(moment, view)) {
    out += (out.empty() ? "" : "\n") + text_of(*recovery, view.deep);
  }
  for (const auto& unresolved : moment.assessment.recovery.unresolved) {
    out += fmt::format("{}{}/{}: where its archive is, is unknown: {}\n", out.empty() ? "" : "\n",
                       unresolved.ns, unresolved.cluster, unresolved.why.error.message());
  }
  return printable_lines(out);
}

std::string backups_json(const Moment& moment, const BackupsView& view) {
  JsonWriter json;
  json.begin_object().key("archives").begin_array();
  for (const Recovery* recovery : chosen(moment, view)) put_archive(json, *recovery, view.deep);
  json.end_array().end_object();
  return json.take() + "\n";
}

bool all_restorable(const Moment& moment, const BackupsView& view) {
  const auto archives = chosen(moment, view);
  return !archives.empty() && std::ranges::all_of(archives, [&](const Recovery* recovery) {
    const auto& window = recovery->points->window[index(view.deep ? Proof::kDeep : Proof::kListed)];
    const auto* known = window.if_known();
    return known != nullptr && known->has_value();
  });
}

}  // namespace keelwatch::app
