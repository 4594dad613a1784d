// Buckets as folders: the object bucket/a/b/c is the file ROOT/bucket/a/b/c, so that tests damage
// objects with rm and truncate. Names that no file can have are written differently: an empty
// segment of a key, "." and "..", and what begins with ".%", get ".%" in front. What else a bucket
// has (its settings, uploads in parts, storage classes) is below ROOT/.standin.
// A key cannot be an object and a folder of others at once here.
// Threads: one at a time. Throws std::runtime_error where the disk fails.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelwatch::standins {

struct S3File {
  std::string key;
  std::string path;
  std::uint64_t bytes = 0;
  std::time_t modified = 0;
  std::string etag;  // in quotes; of size and time of change: not an MD5
};

class S3Files {
 public:
  // Makes the folder if it is missing.
  explicit S3Files(std::string root);

  [[nodiscard]] bool has_bucket(std::string_view bucket) const;
  void make_bucket(std::string_view bucket);
  [[nodiscard]] std::vector<std::string> buckets() const;

  [[nodiscard]] std::optional<S3File> find(std::string_view bucket, std::string_view key) const;
  [[nodiscard]] std::string read(const S3File& file, std::uint64_t offset,
                                 std::uint64_t bytes) const;
  // False if the key, or a part of it, is the other of folder and file, or too long for a name.
  [[nodiscard]] bool write(std::string_view bucket, std::string_view key, std::string_view data);
  // Removes the folders that become empty, too; nothing if there is no such object.
  void remove(std::string_view bucket, std::string_view key);

  // All keys that begin with `prefix` and are greater than `after`, in the order of their bytes.
  // visit() returns what to leave out from now on: every key that begins with it; or nullopt to
  // stop; or "" to go on.
  using Visit = std::function<std::optional<std::string>(const std::string& key)>;
  void walk(std::string_view bucket, std::string_view prefix, std::string_view after,
            const Visit& visit) const;

  // Multipart uploads.
  [[nodiscard]] std::string begin_upload(std::string_view bucket, std::string_view key);
  [[nodiscard]] bool has_upload(std::string_view upload) const;
  void write_part(std::string_view upload, int part, std::string_view data);
  [[nodiscard]] std::optional<std::string> read_part(std::string_view upload, int part) const;
  // Joins the parts; false as write().
  [[nodiscard]] bool finish_upload(std::string_view upload, const std::vector<int>& parts,
                                   std::string_view bucket, std::string_view key);
  void drop_upload(std::string_view upload);

  // A bucket's document of that name (versioning, lifecycle, object-lock, storage-classes), or "".
  [[nodiscard]] std::string setting(std::string_view bucket, std::string_view name) const;
  void set_setting(std::string_view bucket, std::string_view name, std::string_view text);
  // By the bucket's storage-classes, lines of "CLASS PREFIX": that of the longest prefix of the
  // key; else STANDARD.
  [[nodiscard]] std::string storage_class(std::string_view bucket, std::string_view key) const;

 private:
  [[nodiscard]] std::string path_of(std::string_view bucket, std::string_view key) const;
  [[nodiscard]] std::string upload_path(std::string_view upload) const;
  [[nodiscard]] std::string setting_path(std::string_view bucket, std::string_view name) const;
  [[nodiscard]] bool place(const std::string& from, const std::string& to);

  std::string root_;
  std::string own_;
};

}  // namespace keelwatch::standins
