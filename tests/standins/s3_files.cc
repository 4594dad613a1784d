#include "tests/standins/s3_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

#include "tests/standins/s3_signature.h"

namespace keelwatch::standins {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kEscape = ".%";

std::string file_name(std::string_view segment) {
  const bool escaped =
      segment.empty() || segment == "." || segment == ".." || segment.starts_with(kEscape);
  return (escaped ? std::string(kEscape) : std::string()) + std::string(segment);
}

std::string segment_of(const std::string& name) {
  return name.starts_with(kEscape) ? name.substr(kEscape.size()) : name;
}

void write_whole(const std::string& path, std::string_view data, bool append = false) {
  std::ofstream file(path, std::ios::binary | (append ? std::ios::app : std::ios::trunc));
  file.write(data.data(), static_cast<std::streamsize>(data.size()));
  if (!file.flush()) throw std::runtime_error(path + ": cannot be written");
}

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string random_name() {
  std::random_device random;
  std::ostringstream text;
  text << std::hex << random() << random() << random() << random();
  return text.str();
}

struct Entry {
  std::string key;  // with a slash at its end: a folder
  std::string path;
};

class Walk {
 public:
  Walk(std::string_view prefix, std::string_view after, const S3Files::Visit& visit)
      : prefix_(prefix), after_(after), visit_(visit) {}

  // False: stop. `folder_key` is "" or ends with a slash.
  bool folder(const std::string& path, const std::string& folder_key) {
    std::vector<Entry> entries;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path, ignored)) {
      std::string key = folder_key + segment_of(entry.path().filename().string());
      if (entry.is_directory(ignored)) key += '/';
      if (may_hold(key)) entries.push_back({std::move(key), entry.path().string()});
    }
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.key < b.key; });
    for (const Entry& entry : entries) {
      if (!may_hold(entry.key)) continue;  // left out meanwhile
      const bool is_folder = fs::is_directory(entry.path, ignored);
      if (is_folder ? !folder(entry.path, entry.key) : !object(entry.key)) return false;
    }
    return true;
  }

 private:
  bool object(const std::string& key) {
    if (!key.starts_with(prefix_) || key <= after_) return true;
    std::optional<std::string> next = visit_(key);
    if (!next) return false;
    if (!next->empty()) leave_out_ = *std::move(next);
    return true;
  }

  // Whether keys that are wanted may begin with `key` (or are it).
  [[nodiscard]] bool may_hold(const std::string& key) const {
    const std::size_t common = std::min(key.size(), prefix_.size());
    if (key.compare(0, common, prefix_, 0, common) != 0) return false;
    if (key.back() == '/' ? key < after_ && !after_.starts_with(key) : key <= after_) return false;
    return leave_out_.empty() || !key.starts_with(leave_out_);
  }

  const std::string prefix_;
  const std::string after_;
  const S3Files::Visit& visit_;
  std::string leave_out_;
};

}  // namespace

S3Files::S3Files(std::string root) : root_(std::move(root)), own_(root_ + "/.standin") {
  fs::create_directories(own_);
}

bool S3Files::has_bucket(std::string_view bucket) const {
  if (bucket.empty() || bucket.front() == '.' || bucket.find('/') != std::string_view::npos) {
    return false;
  }
  std::error_code ignored;
  return fs::is_directory(root_ + "/" + std::string(bucket), ignored);
}

void S3Files::make_bucket(std::string_view bucket) {
  fs::create_directories(root_ + "/" + std::string(bucket));
}

std::vector<std::string> S3Files::buckets() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root_)) {
    const std::string name = entry.path().filename().string();
    if (has_bucket(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string S3Files::path_of(std::string_view bucket, std::string_view key) const {
  std::string path = root_ + "/" + std::string(bucket);
  for (;;) {
    const std::size_t slash = key.find('/');
    path += "/" + file_name(key.substr(0, slash));
    if (slash == std::string_view::npos) return path;
    key.remove_prefix(slash + 1);
  }
}

std::optional<S3File> S3Files::find(std::string_view bucket, std::string_view key) const {
  S3File file{std::string(key), path_of(bucket, key), 0, 0, {}};
  struct stat info{};
  if (stat(file.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  file.bytes = static_cast<std::uint64_t>(info.st_size);
  file.modified = info.st_mtim.tv_sec;
  file.etag = "\"" +
              hex_md5(std::to_string(info.st_size) + "-" + std::to_string(info.st_mtim.tv_sec) +
                      "." + std::to_string(info.st_mtim.tv_nsec)) +
              "\"";
  return file;
}

std::string S3Files::read(const S3File& file, std::uint64_t offset, std::uint64_t bytes) const {
  std::ifstream in(file.path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  std::string data(bytes, '\0');
  in.read(data.data(), static_cast<std::streamsize>(bytes));
  data.resize(static_cast<std::size_t>(in.gcount()));
  return data;
}

// Moves a file of ours into the bucket: readers see the object before or the new one, no half.
bool S3Files::place(const std::string& from, const std::string& to) {
  std::error_code failed;
  fs::create_directories(fs::path(to).parent_path(), failed);
  if (!failed) fs::rename(from, to, failed);
  if (failed) fs::remove(from);
  return !failed;
}

bool S3Files::write(std::string_view bucket, std::string_view key, std::string_view data) {
  const std::string temporary = own_ + "/" + random_name();
  write_whole(temporary, data);
  return place(temporary, path_of(bucket, key));
}

void S3Files::remove(std::string_view bucket, std::string_view key) {
  fs::path path = path_of(bucket, key);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return;
  fs::remove(path, ignored);
  const fs::path top = root_ + "/" + std::string(bucket);
  for (path = path.parent_path(); path != top && fs::is_empty(path, ignored);
       path = path.parent_path()) {
    if (!fs::remove(path, ignored)) return;
  }
}

void S3Files::walk(std::string_view bucket, std::string_view prefix, std::string_view after,
                   const Visit& visit) const {
  // Begins in the deepest folder that all keys with this prefix are in.
  const std::size_t slash = prefix.rfind('/');
  Walk walk(prefix, after, visit);
  if (slash == std::string_view::npos) {
    walk.folder(root_ + "/" + std::string(bucket), "");
  } else {
    walk.folder(path_of(bucket, prefix.substr(0, slash)), std::string(prefix.substr(0, slash + 1)));
  }
}

std::string S3Files::upload_path(std::string_view upload) const {
  return own_ + "/uploads/" + std::string(upload);
}

std::string S3Files::begin_upload(std::string_view bucket, std::string_view key) {
  std::string upload = random_name();
  fs::create_directories(upload_path(upload));
  write_whole(upload_path(upload) + "/key", std::string(bucket) + "/" + std::string(key));
  return upload;
}

bool S3Files::has_upload(std::string_view upload) const {
  if (upload.empty() || upload.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return false;
  }
  return fs::exists(upload_path(upload));
}

void S3Files::write_part(std::string_view upload, int part, std::string_view data) {
  write_whole(upload_path(upload) + "/" + std::to_string(part), data);
}

std::optional<std::string> S3Files::read_part(std::string_view upload, int part) const {
  const std::string path = upload_path(upload) + "/" + std::to_string(part);
  if (!fs::exists(path)) return std::nullopt;
  return read_whole(path);
}

bool S3Files::finish_upload(std::string_view upload, const std::vector<int>& parts,
                            std::string_view bucket, std::string_view key) {
  const std::string whole = own_ + "/" + random_name();
  write_whole(whole, "");
  for (const int part : parts) write_whole(whole, read_part(upload, part).value(), true);
  const bool placed = place(whole, path_of(bucket, key));
  if (placed) drop_upload(upload);
  return placed;
}

void S3Files::drop_upload(std::string_view upload) { fs::remove_all(upload_path(upload)); }

std::string S3Files::setting_path(std::string_view bucket, std::string_view name) const {
  return own_ + "/settings/" + std::string(bucket) + "/" + std::string(name);
}

std::string S3Files::setting(std::string_view bucket, std::string_view name) const {
  return read_whole(setting_path(bucket, name));
}

void S3Files::set_setting(std::string_view bucket, std::string_view name, std::string_view text) {
  const std::string path = setting_path(bucket, name);
  fs::create_directories(fs::path(path).parent_path());
  write_whole(path, text);
}

std::string S3Files::storage_class(std::string_view bucket, std::string_view key) const {
  std::istringstream lines(setting(bucket, "storage-classes"));
  std::string found = "STANDARD";
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string::npos) continue;
    const std::string_view prefix = std::string_view(line).substr(blank + 1);
    if (!key.starts_with(prefix) || prefix.size() < longest) continue;
    longest = prefix.size();
    found = line.substr(0, blank);
  }
  return found;
}

}  // namespace keelwatch::standins
