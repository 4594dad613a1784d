#include "sources/object_store/deep_backup.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "sources/object_store/bytes.h"
#include "sources/object_store/control_file.h"
#include "sources/object_store/crc32c.h"
#include "sources/object_store/decompress.h"
#include "sources/object_store/deep_read.h"
#include "sources/object_store/page_checksum.h"
#include "sources/object_store/tar_reader.h"

namespace keelwatch::sources {
namespace {

using model::parse_backup_part;

constexpr std::size_t kKeptBytes = 65536;  // pg_control has 8 KiB, backup_label below 1 KiB

// Which relation of a database is in which file, with a checksum at its end: followed by 4 bytes of
// padding before PostgreSQL 16 (src/backend/utils/cache/relmapper.c, RelMapFile).
bool is_whole_map(std::string_view bytes) {
  constexpr std::size_t kPaddedBytes = 512;
  if (bytes.size() < kPaddedBytes) return false;
  const std::size_t at = bytes.size() - (bytes.size() == kPaddedBytes ? 8 : 4);
  return crc32c(bytes.substr(0, at)) == little32(bytes, at);
}

// What a backup's tars hold that matters, over all of them.
class Contents final : public TarVisitor {
 public:
  explicit Contents(const model::BackupInfo& info) : pages_(info.begin_lsn, info.end_lsn) {}

  void of_data(bool data) { data_ = data; }

  void begin(const TarMember& member) override {
    keep_ = nullptr;
    file_ = member.type == '0' ? parse_relation_path(member.name) : std::nullopt;
    if (file_) pages_.begin_file(*file_);
    map_name_ = member.type == '0' && member.name.ends_with("pg_filenode.map") ? member.name : "";
    map_.clear();
    if (!data_ || member.type != '0') return;
    if (member.name == "global/pg_control") keep_ = &control_;
    if (member.name == "backup_label") keep_ = &label_;
    if (member.name == "PG_VERSION") keep_ = &version_;
    if (keep_ != nullptr) keep_->emplace();
  }
  void data(std::string_view bytes) override {
    if (file_) pages_.feed(bytes);
    if (!map_name_.empty()) map_.append(bytes.substr(0, kKeptBytes - map_.size()));
    if (keep_ != nullptr) (*keep_)->append(bytes.substr(0, kKeptBytes - (*keep_)->size()));
  }
  void end() override {
    if (file_) pages_.end_file();
    if (!map_name_.empty() && !is_whole_map(map_) && wrong_map_.empty()) wrong_map_ = map_name_;
  }

  [[nodiscard]] const PageChecker& pages() const { return pages_; }
  [[nodiscard]] const std::optional<std::string>& control() const { return control_; }
  [[nodiscard]] const std::optional<std::string>& label() const { return label_; }
  [[nodiscard]] const std::optional<std::string>& version() const { return version_; }
  // The name of the first pg_filenode.map with a wrong checksum; empty: none.
  [[nodiscard]] const std::string& wrong_map() const { return wrong_map_; }

 private:
  bool data_ = false;
  PageChecker pages_;
  std::optional<RelationFile> file_;
  std::string map_name_;  // of the member that is being read, if it is such a map
  std::string map_;
  std::string wrong_map_;
  std::optional<std::string>* keep_ = nullptr;
  std::optional<std::string> control_;
  std::optional<std::string> label_;
  std::optional<std::string> version_;
};

// "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)".
std::string label_fault(const std::string& label, const model::BackupInfo& info) {
  constexpr std::string_view kStart = "START WAL LOCATION: ";
  std::string_view rest = label;
  if (!rest.starts_with(kStart)) return "backup_label is none";
  rest.remove_prefix(kStart.size());
  const std::optional<model::Lsn> begin = model::parse_lsn(rest.substr(0, rest.find(' ')));
  if (!begin) return "backup_label is none";
  if (info.begin_lsn && *begin != *info.begin_lsn) {
    return fmt::format("backup_label begins at {}, backup.info at {}", model::to_string(*begin),
                       model::to_string(*info.begin_lsn));
  }
  return "";
}

// What is wrong with what was read; also whether pages could be judged.
Result<std::string> contents_fault(const Contents& contents, const model::BackupInfo& info,
                                   bool& page_checksums) {
  if (!contents.version()) return std::string("PG_VERSION is not in the data tar");
  if (!contents.control()) return std::string("global/pg_control is not in the data tar");
  const Result<ControlFile> control = parse_control_file(*contents.control());
  if (!control && control.error().code() == ErrorCode::kUnsupported) return control.error();
  if (!control) return "global/" + control.error().message();
  if (info.system_id && control->system_id != *info.system_id) {
    return fmt::format("global/pg_control is of system {}, backup.info of {}", control->system_id,
                       *info.system_id);
  }
  if (!contents.label()) return std::string("backup_label is not in the data tar");
  if (std::string fault = label_fault(*contents.label(), info); !fault.empty()) return fault;
  if (!contents.wrong_map().empty()) return contents.wrong_map() + " has a wrong checksum";
  page_checksums = control->data_checksums && control->page_bytes == kPageBytes &&
                   control->pages_per_file == kPagesPerFile;
  const std::uint64_t wrong = contents.pages().wrong();
  if (page_checksums && wrong > 0) {
    return fmt::format("{} page{} with a wrong checksum, the first: {}", wrong,
                       wrong == 1 ? "" : "s", contents.pages().first_wrong());
  }
  return std::string();
}

// One tar, from the store into `contents`. The text is the fault; empty: it is whole.
Task<Result<std::string>> read_tar(EventLoop& loop, ObjectReader& reader, std::string key,
                                   std::string name, Contents& contents, const DeepOptions& options,
                                   DeepProgress& progress) {
  TarReader tar(contents);
  Result<void> read;
  std::function<bool(std::string_view)> taken = [&tar, &read](std::string_view bytes) {
    read = tar.feed(bytes);
    return read.has_value();
  };
  const Result<DeepRead> done =
      co_await deep_read(loop, reader, std::move(key), std::move(taken), options, progress);
  if (!done) co_return done.error();
  if (read && done->damage.empty()) read = tar.finish();
  // A compressed stream that is cut is also a tar that is: the compression's word says more.
  if (!done->damage.empty()) co_return name + ": " + done->damage;
  if (read) co_return std::string();
  if (read.error().code() == ErrorCode::kUnsupported) co_return read.error().context(name);
  co_return name + ": " + read.error().message();
}

}  // namespace

std::string find_missing_part(const model::BackupInfo& info,
                              const std::vector<model::ArchivedFile>& files) {
  std::map<std::string, std::vector<std::int64_t>> parts;
  parts["data"];
  for (const model::BackupTablespace& tablespace : info.tablespaces) {
    parts[std::to_string(tablespace.oid)];
  }
  for (const model::ArchivedFile& file : files) {
    if (auto part = parse_backup_part(file.name)) parts[part->of].push_back(part->number);
  }
  for (auto& [of, numbers] : parts) {
    std::sort(numbers.begin(), numbers.end());
    if (numbers.empty()) return fmt::format("{}.tar is missing", of);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto expected = static_cast<std::int64_t>(i);
      if (numbers[i] < expected) {
        return fmt::format("part {} of {}.tar is there twice", numbers[i], of);
      }
      if (numbers[i] == expected) continue;
      const std::string name =
          expected == 0 ? fmt::format("{}.tar", of) : fmt::format("{}_{:04}.tar", of, expected);
      return fmt::format("{} is missing: parts go up to {:04}", name, numbers.back());
    }
  }
  return "";
}

Task<Result<model::BackupProof>> prove_backup(EventLoop& loop, ObjectReader& reader,
                                              std::string prefix, model::BaseBackup backup,
                                              const DeepOptions& options) {
  const model::BackupInfo* info = backup.info.if_known();
  if (info == nullptr) co_return backup.info.why().error.context("backup.info");
  if (!info->encryption.empty()) {
    co_return Error(ErrorCode::kUnsupported, "the backup is encrypted: " + info->encryption);
  }
  model::BackupProof proof;
  proof.fault = find_missing_part(*info, backup.files);
  if (!proof.fault.empty()) co_return proof;

  DeepProgress progress;
  std::erase_if(backup.files, [](const auto& file) { return !parse_backup_part(file.name); });
  for (const model::ArchivedFile& file : backup.files) {
    progress.total += file.bytes;
    if (!file.name.ends_with(".gpg")) continue;
    co_return Error(ErrorCode::kUnsupported, "the backup is encrypted: " + file.name);
  }
  if (progress.total > options.max_bytes) {
    co_return Error(ErrorCode::kTooLarge, fmt::format("its {} bytes are more than the {} allowed",
                                                      progress.total, options.max_bytes));
  }
  Contents contents(*info);
  for (const model::ArchivedFile& file : backup.files) {
    progress.file = file.name;
    contents.of_data(parse_backup_part(file.name)->of == "data");
    const Result<std::string> fault =
        co_await read_tar(loop, reader, prefix + file.name, file.name, contents, options, progress);
    if (!fault) co_return fault.error();
    proof.bytes = progress.done;
    proof.fault = *fault;
    if (!proof.fault.empty()) co_return proof;
  }
  const Result<std::string> fault = contents_fault(contents, *info, proof.page_checksums);
  if (!fault) co_return fault.error();
  proof.fault = *fault;
  proof.whole = proof.fault.empty();
  co_return proof;
}

}  // namespace keelwatch::sources
