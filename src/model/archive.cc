#include "model/archive.h"

#include <utility>

namespace keelwatch::model {

std::string destination(const ArchiveId& id) {
  return "s3://" + id.bucket + (id.path.empty() ? "" : "/" + id.path);
}

std::optional<ArchiveId> archive_at(std::string_view endpoint_url,
                                    std::string_view destination_path, std::string server) {
  constexpr std::string_view kScheme = "s3://";
  if (!destination_path.starts_with(kScheme)) return std::nullopt;
  destination_path.remove_prefix(kScheme.size());
  const std::size_t slash = destination_path.find('/');
  std::string_view path =
      slash == std::string_view::npos ? std::string_view() : destination_path.substr(slash);
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  while (endpoint_url.ends_with('/')) endpoint_url.remove_suffix(1);
  ArchiveId id{.endpoint = std::string(endpoint_url),
               .bucket = std::string(destination_path.substr(0, slash)),
               .path = std::string(path),
               .server = std::move(server)};
  for (char& c : id.endpoint) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (id.bucket.empty() || id.server.empty()) return std::nullopt;
  return id;
}

std::string text(const ArchiveId& id) { return destination(id) + "/" + id.server; }

Archive Archive::absent(ArchiveId id, const Why& why) {
  const AbsentOfAny none{why};
  return {.id = std::move(id), .backups = none, .wal = none, .settings = none};
}

}  // namespace keelwatch::model
