#include "sources/object_store/archive_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/limits.h"
#include "sources/object_store/backup_info.h"
#include "sources/object_store/timeline_history.h"

namespace keelwatch::sources {
namespace {

constexpr const char* kSource = "object_store";
constexpr std::size_t kWholePagesPerPass = 200;  // so that what is new is not waited for
constexpr int kMostDoublings = 3;                // of the interval, while passes fail
constexpr Duration kMostPause = std::chrono::minutes(5);

}  // namespace

ArchiveWatch::ArchiveWatch(SourceContext context, const config::ObjectStores& settings,
                           const OpenArchive& open, RequestSlots& slots, DeepStreams& deep_streams,
                           discovery::ArchiveTarget target, std::function<void()> changed)
    : context_(context),
      settings_(settings),
      open_(open),
      slots_(slots),
      target_(std::move(target)),
      changed_(std::move(changed)),
      name_(fmt::format("{} {}", kSource, model::text(target_.id))),
      server_(fmt::format("{}{}{}/", target_.id.path, target_.id.path.empty() ? "" : "/",
                          target_.id.server)),
      report_(context, kSource, model::text(target_.id)),
      base_(server_),
      wal_(server_) {
  const Why why{Absence::kUnknown, Error(ErrorCode::kUnavailable, "not asked yet"), name_};
  archive_ = std::make_shared<const model::Archive>(model::Archive::absent(target_.id, why));
  if (settings_.deep_pass) {
    deep_.emplace(context_, settings_, deep_streams, server_, wal_.contents(),
                  [this] { put_deep(); });
  }
}

void ArchiveWatch::start() {
  if (reader_) {
    const S3Traffic traffic = reader_->traffic();
    traffic_before_.list_requests += traffic.list_requests;
    traffic_before_.get_requests += traffic.get_requests;
    traffic_before_.settings_requests += traffic.settings_requests;
    traffic_before_.received_bytes += traffic.received_bytes;
    reader_.reset();
  }
  idle_report_.reset();
  model::SourceReport report;
  report.source = kSource;
  report.target = model::text(target_.id);
  if (!target_.not_supported_reason.empty()) {
    report.last_error = target_.not_supported_reason;
    const Error error(ErrorCode::kUnsupported, report.last_error);
    return set_absent(report, {Absence::kUnknown, error, name_});
  }
  if (!target_.not_set_up_reason.empty()) {
    report.not_set_up = true;
    const Error error(ErrorCode::kNotFound, target_.not_set_up_reason);
    return set_absent(report, {Absence::kNotSetUp, error, name_});
  }
  if (!target_.cannot_read_reason.empty()) {
    report.last_error = target_.cannot_read_reason;
    const Error error(ErrorCode::kUnauthorized, report.last_error);
    return set_absent(report, {Absence::kUnknown, error, name_});
  }
  reader_ = open_(target_);
  failures_ = 0;
  scope_.spawn(run());
  if (!deep_) return;
  put_deep();
  scope_.spawn(deep_->run(*reader_));
}

void ArchiveWatch::set_absent(const model::SourceReport& report, const Why& why) {
  idle_report_ = report;
  if (!report.last_error.empty())
    idle_report_->errors[std::string(to_string(why.error.code()))] = 1;
  archive_ = std::make_shared<const model::Archive>(model::Archive::absent(target_.id, why));
  changed_();
}

void ArchiveWatch::set_target(discovery::ArchiveTarget target) {
  if (target == target_) return;
  scope_.cancel();
  base_.abandon();
  wal_.abandon_new();
  target_ = std::move(target);
  start();
}

model::SourceReport ArchiveWatch::report() const {
  if (idle_report_) return *idle_report_;
  model::SourceReport report = report_.report();
  const S3Traffic traffic = reader_->traffic();
  const S3Traffic& before = traffic_before_;
  report.requests = before.list_requests + traffic.list_requests + before.get_requests +
                    traffic.get_requests + before.settings_requests + traffic.settings_requests;
  report.received_bytes = before.received_bytes + traffic.received_bytes;
  return report;
}

Task<> ArchiveWatch::run() {
  for (;;) {
    const SteadyTime begin = context_.loop.now();
    report_.begin();
    failure_.reset();
    co_await pass();
    if (deep_) tell_deep();
    if (failure_) {
      report_.failed(*failure_);
      ++failures_;
    } else {
      report_.succeeded();
      failures_ = 0;
    }
    changed_();
    co_await context_.loop.sleep_until(begin + pause());
  }
}

// Between the begins of two passes: longer while they fail.
Duration ArchiveWatch::pause() const {
  const int factor = 1 << std::clamp(failures_ - 1, 0, kMostDoublings);
  return std::min(settings_.listing_interval * factor,
                  std::max(settings_.listing_interval, kMostPause));
}

Task<> ArchiveWatch::pass() {
  const bool base_listed = co_await read_base();
  // A store that is away is not waited for once more; one that refuses base/ may give wals/.
  if (!base_listed && failure_ && is_transient(*failure_)) {
    put(&model::Archive::wal, Result<model::WalArchive>(*failure_));
    put(&model::Archive::settings, Result<model::BucketSettings>(*failure_));
    co_return;
  }
  changed_();
  if (!co_await read_wal()) co_return;
  co_await read_histories();
  co_await learn_segment_size();
  want_segments();
  put_wal();
  changed_();
  if (settings_due_) co_await read_settings();
  co_await prove_segments();
  put_wal();
}

Task<bool> ArchiveWatch::read_base() {
  base_.begin();
  while (const auto request = base_.next()) {
    const Result<S3Page> page = co_await list(*request);
    Result<void> added;
    if (page) {
      added = base_.add(*page);
    } else {
      added = page.error();
    }
    if (!added) {
      base_.abandon();
      using Backups = std::vector<model::BaseBackup>;
      put(&model::Archive::backups, Result<Backups>(added.error()));
      co_return false;
    }
  }
  if (base_.take_changed()) whole_due_ = true;
  co_await read_infos();
  put(&model::Archive::backups, Result<std::vector<model::BaseBackup>>(backups()));
  co_return true;
}

Task<> ArchiveWatch::read_infos() {
  using Info = Observed<model::BackupInfo>;
  for (const std::string& backup : base_.infos_to_read()) {
    const Result<std::string> text = co_await get(base_.info_key(backup), limits::kBackupInfoBytes);
    if (!text) {
      const Error& error = text.error();
      base_.set_info(backup, Info::unknown(error, name_), false);
      if (error.code() == ErrorCode::kNotFound) continue;  // deleted since it was listed
      note_failure(error);
      if (is_transient(error)) co_return;
      continue;
    }
    const Result<model::BackupInfo> info = parse_backup_info(*text);
    if (info) {
      base_.set_info(backup, Info::known(*info, report_.sent()), true);
    } else {
      const Error error = info.error().context(backup + "/backup.info");
      base_.set_info(backup, Info::unknown(error, name_), true);
    }
  }
}

Task<bool> ArchiveWatch::read_wal() {
  Result<void> listed = co_await list_whole();
  // Where only the listing of everything fails, what is new is still asked for.
  if (listed || wal_.listed_whole_at()) {
    if (!listed) note_failure(listed.error());
    listed = co_await list_new();
  }
  if (listed && wal_.listed_whole_at()) co_return true;
  const Error error = listed ? Error(ErrorCode::kUnavailable, "not listed yet") : listed.error();
  put(&model::Archive::wal, Result<model::WalArchive>(error));
  co_return false;
}

Task<Result<void>> ArchiveWatch::list_whole() {
  const bool due = whole_due_ || context_.loop.now() >= next_whole_;
  if (due && !wal_.next_whole()) {
    whole_due_ = false;
    next_whole_ = context_.loop.after(settings_.full_listing_interval);
    wal_.begin_whole(report_.sent());
  }
  // The first one has nothing to stand back for.
  const bool first = !wal_.listed_whole_at();
  for (std::size_t i = 0; first || i < kWholePagesPerPass; ++i) {
    const auto request = wal_.next_whole();
    if (!request) co_return Result<void>();
    const Result<S3Page> page = co_await list(*request);
    Result<void> added;
    if (page) {
      added = wal_.add_whole(*page);
    } else {
      added = page.error();
    }
    if (!added) {
      // Goes on where it was, unless that is what the store does not take.
      if (!is_transient(added.error())) {
        wal_.abandon_whole();
        whole_due_ = true;
      }
      co_return added.error();
    }
    if (!wal_.next_whole()) {
      proofs_.retain(wal_.contents());
      settings_due_ = true;
      size_due_ = true;
    }
  }
  co_return Result<void>();
}

Task<Result<void>> ArchiveWatch::list_new() {
  wal_.begin_new();
  while (const auto request = wal_.next_new()) {
    const Result<S3Page> page = co_await list(*request);
    Result<void> added;
    if (page) {
      added = wal_.add_new(*page);
    } else {
      added = page.error();
    }
    if (!added) {
      wal_.abandon_new();
      co_return added.error();
    }
  }
  co_return Result<void>();
}

Task<> ArchiveWatch::read_histories() {
  using Switches = Observed<std::vector<model::TimelineSwitch>>;
  for (const std::uint32_t timeline : wal_.histories_to_read()) {
    const StoredAs stored = wal_.history(timeline)->stored;
    const std::string below = history_key(timeline, stored);
    const Result<std::string> bytes = co_await get(wal_key(below), limits::kHistoryBytes);
    if (!bytes) {
      const Error& error = bytes.error();
      wal_.set_history(timeline, Switches::unknown(error, name_), false);
      if (error.code() == ErrorCode::kNotFound) continue;  // deleted since it was listed
      note_failure(error);
      if (is_transient(error)) co_return;
      continue;
    }
    const Result<std::vector<model::TimelineSwitch>> switches =
        read_timeline_history(*bytes, stored, timeline);
    if (switches) {
      wal_.set_history(timeline, Switches::known(*switches, report_.sent()), true);
    } else {
      const Error error = switches.error().context(below);
      wal_.set_history(timeline, Switches::unknown(error, name_), true);
    }
  }
}

Task<> ArchiveWatch::read_settings() {
  const auto held = co_await slots_.take();
  Result<model::BucketSettings> settings = co_await reader_->settings(server_, deadline());
  if (settings) {
    settings_due_ = false;
  } else {
    settings = settings.error().context("settings of the bucket");
  }
  put(&model::Archive::settings, std::move(settings));
}

Task<Result<S3Page>> ArchiveWatch::list(S3ListRequest request) {
  const auto held = co_await slots_.take();
  co_return co_await reader_->list(std::move(request), deadline());
}

Task<Result<std::string>> ArchiveWatch::get(std::string key, std::size_t max_bytes) {
  const auto held = co_await slots_.take();
  co_return co_await reader_->get(std::move(key), max_bytes, deadline());
}

Task<Result<std::string>> ArchiveWatch::get_first(std::string key, std::size_t bytes) {
  const auto held = co_await slots_.take();
  co_return co_await reader_->get_first(std::move(key), bytes, deadline());
}

template <typename T>
void ArchiveWatch::put(Observed<T> model::Archive::* place, Result<T> answer) {
  model::Archive archive = *archive_;
  if (answer) {
    archive.*place = Observed<T>::known(*std::move(answer), report_.sent());
  } else {
    note_failure(answer.error());
    if ((archive.*place).is_known() && is_transient(answer.error())) return;
    archive.*place = Observed<T>::unknown(answer.error(), name_);
  }
  archive_ = std::make_shared<const model::Archive>(std::move(archive));
}

void ArchiveWatch::note_failure(const Error& error) {
  if (!failure_) failure_ = error;
}

void ArchiveWatch::put_wal() { put(&model::Archive::wal, wal_facts()); }

Result<model::WalArchive> ArchiveWatch::wal_facts() const {
  Result<model::WalArchive> facts = wal_.contents().facts(proofs_.segment_bytes());
  if (!facts) return facts;
  facts->listed_whole_at = *wal_.listed_whole_at();
  Result<void> proofs = proofs_.put_into(*facts);
  if (proofs && deep_) proofs = deep_->put_into(*facts);
  if (!proofs) facts = proofs.error();
  return facts;
}

std::vector<model::BaseBackup> ArchiveWatch::backups() const {
  std::vector<model::BaseBackup> backups = base_.backups();
  if (deep_) deep_->put_into(backups);
  return backups;
}

void ArchiveWatch::tell_deep() {
  const bool has_backups = archive_->backups.is_known();
  const bool has_wal = archive_->wal.is_known();
  if (has_backups) deep_->listed_backups(base_.backups());
  if (has_wal) {
    deep_->listed_wal(proofs_.segment_bytes(), proofs_.system_id(), *wal_.listed_whole_at());
  }
  const bool waits = has_backups && has_wal;
  deep_->go_on(waits || !failure_ || is_transient(*failure_) ? "" : failure_->message());
}

// The listings are as old as they were: only what is said of their objects is new.
void ArchiveWatch::put_deep() {
  model::Archive archive = *archive_;
  if (archive.backups.is_known()) {
    archive.backups =
        Observed<std::vector<model::BaseBackup>>::known(backups(), archive.backups.observed_at());
  }
  if (archive.wal.is_known()) {
    Result<model::WalArchive> facts = wal_facts();
    if (facts) {
      archive.wal =
          Observed<model::WalArchive>::known(*std::move(facts), archive.wal.observed_at());
    } else {
      archive.wal = Observed<model::WalArchive>::unknown(facts.error(), name_);
    }
  }
  archive.deep = deep_->progress();
  archive_ = std::make_shared<const model::Archive>(std::move(archive));
  changed_();
}

std::string ArchiveWatch::wal_key(const std::string& below) const {
  return server_ + "wals/" + below;
}

SteadyTime ArchiveWatch::deadline() const { return context_.loop.after(settings_.request_timeout); }

}  // namespace keelwatch::sources
