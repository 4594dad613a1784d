#include "sources/object_store/base_listing.h"

#include <fmt/format.h>

#include <utility>

#include "config/limits.h"
#include "sources/object_store/barman_key.h"

namespace keelwatch::sources {
namespace {

constexpr std::string_view kBase = "base/";

bool same_object(const std::optional<model::ArchivedFile>& a,
                 const std::optional<model::ArchivedFile>& b) {
  if (!a || !b) return !a && !b;
  return a->bytes == b->bytes && a->modified && a->modified == b->modified;
}

}  // namespace

BaseListing::BaseListing(std::string server) : server_(std::move(server)) {}

void BaseListing::begin() {
  listing_.emplace(Listing{ListingCursor(server_ + std::string(kBase), ""), {}, 0});
}

std::optional<S3ListRequest> BaseListing::next() const {
  if (!listing_) return std::nullopt;
  return listing_->cursor.request();
}

Result<void> BaseListing::add(const S3Page& page) {
  const Result<bool> last = listing_->cursor.advance(page);
  if (!last) {
    abandon();
    return last.error();
  }
  listing_->objects += page.objects.size();
  if (listing_->objects > limits::kBackupObjects) {
    abandon();
    return Error(ErrorCode::kTooLarge,
                 fmt::format("base/ has more than {} objects", limits::kBackupObjects));
  }
  for (const S3Object& object : page.objects) {
    const BarmanKey key = read_barman_key(std::string_view(object.key).substr(server_.size()));
    const bool info = key.kind == BarmanKeyKind::kBackupInfo;
    if (!info && key.kind != BarmanKeyKind::kBackupFile) continue;
    Backup& backup = listing_->backups[std::string(key.backup)];
    model::ArchivedFile file{std::string(key.name), object.bytes, object.modified,
                             object.storage_class};
    if (info) backup.info_file = file;
    backup.files.push_back(std::move(file));
  }
  if (*last) replace_by(std::exchange(listing_, std::nullopt)->backups);
  return {};
}

void BaseListing::replace_by(Backups backups) {
  bool changed = !listed_ || backups.size() != backups_.size();
  for (auto& [id, now] : backups) {
    const auto before = backups_.find(id);
    const bool same =
        before != backups_.end() && same_object(now.info_file, before->second.info_file);
    changed = changed || !same;
    if (!same) continue;
    now.info = std::move(before->second.info);
    now.read = before->second.read;
  }
  backups_ = std::move(backups);
  listed_ = true;
  changed_ = changed_ || changed;
}

bool BaseListing::take_changed() { return std::exchange(changed_, false); }

std::vector<std::string> BaseListing::infos_to_read() const {
  std::vector<std::string> result;
  for (auto it = backups_.rbegin(); it != backups_.rend(); ++it) {
    if (it->second.info_file && !it->second.read) result.push_back(it->first);
  }
  return result;
}

std::string BaseListing::info_key(std::string_view backup) const {
  return fmt::format("{}{}{}/backup.info", server_, kBase, backup);
}

void BaseListing::set_info(const std::string& backup, Observed<model::BackupInfo> info, bool read) {
  const auto found = backups_.find(backup);
  if (found == backups_.end()) return;
  found->second.info = std::move(info);
  found->second.read = read;
}

std::vector<model::BaseBackup> BaseListing::backups() const {
  using Info = Observed<model::BackupInfo>;
  const std::string source = "object_store " + server_;
  std::vector<model::BaseBackup> result;
  for (const auto& [id, backup] : backups_) {
    Info info = Info::unknown(
        backup.info_file ? Error(ErrorCode::kUnavailable, "backup.info has not been read yet")
                         : Error(ErrorCode::kNotFound,
                                 "there is no backup.info: the backup runs, or it was cut off"),
        source);
    if (backup.info_file && backup.info) info = *backup.info;
    result.push_back({id, backup.files, std::move(info), std::nullopt});
  }
  return result;
}

std::vector<const model::BackupInfo*> BaseListing::done() const {
  std::vector<const model::BackupInfo*> result;
  for (const auto& [id, backup] : backups_) {
    const model::BackupInfo* info = backup.info ? backup.info->if_known() : nullptr;
    if (info != nullptr && info->status == "DONE") result.push_back(info);
  }
  return result;
}

}  // namespace keelwatch::sources
