#include "discovery/archives.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "discovery/login.h"
#include "model/archive_place.h"

namespace keelwatch::discovery {
namespace {

using model::ArchiveId;
using model::ArchivePlace;

// A store of the configuration, its destination taken apart; the id has no server.
struct KnownStore {
  ArchiveId place;
  const config::ObjectStore* settings;
};

// How an archive is read, as far as the configuration says it.
struct Settings {
  const config::ObjectStore* store = nullptr;  // null: no store is for it
  const config::AccessKey* key = nullptr;
};

std::vector<KnownStore> known_stores(const config::ObjectStores& settings) {
  std::vector<KnownStore> stores;
  for (const config::ObjectStore& store : settings.stores) {
    const auto place = model::archive_id(store.destination, store.endpoint, "");
    if (place) stores.push_back({*place, &store});
  }
  return stores;
}

// Whether the folder holds the archive, at the same endpoint or, where the store names none, at
// any.
bool is_for(const ArchiveId& store, const ArchiveId& archive) {
  if (store.bucket != archive.bucket) return false;
  if (!store.endpoint.empty() && store.endpoint != archive.endpoint) return false;
  if (store.path.empty() || store.path == archive.path) return true;
  return archive.path.starts_with(store.path + "/");
}

// The store of the deepest folder; of two of the same, the one with an endpoint.
Settings settings_for(const config::ObjectStores& settings, const std::vector<KnownStore>& stores,
                      const ArchiveId& archive) {
  const KnownStore* best = nullptr;
  const auto rank = [](const KnownStore& s) {
    return std::pair(s.place.path.size(), !s.place.endpoint.empty());
  };
  for (const KnownStore& store : stores) {
    if (!is_for(store.place, archive)) continue;
    if (best == nullptr || rank(store) > rank(*best)) best = &store;
  }
  if (best == nullptr) return {nullptr, &settings.key};
  return {best->settings, &best->settings->key};
}

// Reads a file into `out`; why it cannot be read goes to the target.
bool read_into(std::string_view setting, const std::string& path, const ReadFile& read_file,
               std::string& out, ArchiveTarget& target) {
  Result<std::string> text = read_file(path);
  if (!text) {
    // A Secret that nobody has made yet is an optional mount without the file; a file that is there
    // and cannot be read is a fault.
    std::string& reason = text.error().code() == ErrorCode::kNotFound ? target.not_set_up_reason
                                                                      : target.cannot_read_reason;
    reason = fmt::format("{} {}: {}", setting, path, text.error().message());
    return false;
  }
  out = std::move(*text);
  return true;
}

bool read_line(std::string_view setting, const std::string& path, const ReadFile& read_file,
               std::string& out, ArchiveTarget& target) {
  if (!read_into(setting, path, read_file, out, target)) return false;
  out = first_line(std::move(out));
  if (!out.empty()) return true;
  target.cannot_read_reason = fmt::format("{} {}: its first line is empty", setting, path);
  return false;
}

std::string how_to_set_up(const ArchiveId& id, std::string_view credentials) {
  std::string text = fmt::format(
      "no key: give object_stores.stores an item with destination: {}{}, access_key_file and "
      "secret_key_file, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; it needs to list and "
      "read",
      destination(id), id.endpoint.empty() ? "" : ", endpoint: " + id.endpoint);
  if (credentials.ends_with("_inherit")) {
    text += ". The cluster logs in as its Pod, which keelwatch does not";
  }
  return text;
}

void log_in(ArchiveTarget& target, const config::AccessKey& key, const ReadFile& read_file,
            const AwsEnvironment& environment, std::string_view credentials) {
  std::string secret;
  if (!key.access_key_file.empty()) {
    const bool read =
        read_line("access_key_file", key.access_key_file, read_file, target.access_key, target) &&
        read_line("secret_key_file", key.secret_key_file, read_file, secret, target);
    if (!read) return;
    target.secret_key = Secret(std::move(secret));
    if (key.session_token_file.empty()) return;
    read_line("session_token_file", key.session_token_file, read_file, target.session_token,
              target);
    return;
  }
  if (environment.access_key.empty() || environment.secret_key.empty()) {
    target.not_set_up_reason = how_to_set_up(target.id, credentials);
    return;
  }
  target.access_key = environment.access_key;
  target.secret_key = environment.secret_key;
  target.session_token = environment.session_token;
}

// Buckets with dots do not fit into the names of certificates.
bool path_style(const config::ObjectStore* store, const ArchiveId& id) {
  const std::string_view addressing =
      store == nullptr ? "auto" : std::string_view(store->addressing);
  if (addressing != "auto") return addressing == "path";
  return !id.endpoint.empty() || id.bucket.find('.') != std::string::npos;
}

std::optional<std::int64_t> segment_bytes(const config::ObjectStore* store, const ArchiveId& id) {
  if (store == nullptr) return std::nullopt;
  const auto server = std::ranges::find(store->servers, id.server, &config::ArchivedServer::name);
  if (server == store->servers.end() || !server->wal_segment_bytes) return std::nullopt;
  return static_cast<std::int64_t>(*server->wal_segment_bytes);
}

class Gathering {
 public:
  Gathering(const config::Config& config, const ReadFile& read_file,
            const AwsEnvironment& environment)
      : settings_(config.object_stores),
        stores_(known_stores(config.object_stores)),
        read_file_(read_file),
        environment_(environment) {}

  void add(const ArchiveId& id, std::string_view credentials) {
    ArchiveTarget target;
    target.id = id;
    const Settings settings = settings_for(settings_, stores_, id);
    target.region = settings.store == nullptr ? "" : settings.store->region;
    if (target.region.empty()) target.region = environment_.region;
    target.path_style = path_style(settings.store, id);
    target.segment_bytes = segment_bytes(settings.store, id);
    log_in(target, *settings.key, read_file_, environment_, credentials);
    if (settings.store != nullptr && !settings.store->ca_file.empty()) {
      read_into("ca_file", settings.store->ca_file, read_file_, target.ca_pem, target);
    }
    targets_.try_emplace(id, std::move(target));
  }

  void add(const ArchivePlace& place) {
    if (place.id) return add(*place.id, place.credentials);
    if (place.id.error().code() != ErrorCode::kUnsupported) return;
    ArchiveTarget target;
    target.id = {.endpoint = {}, .bucket = place.destination, .path = {}, .server = place.server};
    target.not_supported_reason = place.id.error().message();
    targets_.try_emplace(target.id, std::move(target));
  }

  // Of a time before: with the key that it has now.
  void keep(const ArchiveTarget& before) {
    if (before.not_supported_reason.empty()) return add(before.id, "");
    targets_.try_emplace(before.id, before);
  }

  void add_configured() {
    for (const KnownStore& store : stores_) {
      for (const config::ArchivedServer& server : store.settings->servers) {
        ArchiveId id = store.place;
        id.server = server.name;
        add(id, "");
      }
    }
  }

  [[nodiscard]] std::map<ArchiveId, ArchiveTarget> take() && { return std::move(targets_); }

 private:
  const config::ObjectStores& settings_;
  std::vector<KnownStore> stores_;
  const ReadFile& read_file_;
  const AwsEnvironment& environment_;
  std::map<ArchiveId, ArchiveTarget> targets_;
};

bool is_complete(const model::KubernetesSlice* kubernetes,
                 const std::vector<ArchivePlace>& places) {
  const auto unknown = [](const auto& answer) {
    return !answer.is_known() && answer.why().absence == Absence::kUnknown;
  };
  return kubernetes != nullptr && !unknown(kubernetes->clusters) &&
         !unknown(kubernetes->object_stores) &&
         std::ranges::none_of(places, [](const ArchivePlace& place) {
           return !place.id && place.id.error().code() == ErrorCode::kUnavailable;
         });
}

}  // namespace

ArchiveTargets discover_archives(const config::Config& config,
                                 const model::KubernetesSlice* kubernetes,
                                 const ReadFile& read_file, const AwsEnvironment& environment,
                                 const ArchiveTargets& previous) {
  Gathering gathering(config, read_file, environment);
  std::vector<ArchivePlace> places;
  if (kubernetes != nullptr) places = model::all_archives(*kubernetes);
  for (const ArchivePlace& place : places) gathering.add(place);
  gathering.add_configured();
  if (!is_complete(kubernetes, places)) {
    for (const ArchiveTarget& before : previous.archives) gathering.keep(before);
  }
  std::map<ArchiveId, ArchiveTarget> targets = std::move(gathering).take();

  // A key that was there and vanished is a fault, not an archive that nobody set up.
  for (const ArchiveTarget& before : previous.archives) {
    const auto found = targets.find(before.id);
    if (found == targets.end() || found->second.not_set_up_reason.empty()) continue;
    if (!before.not_set_up_reason.empty() || !before.not_supported_reason.empty()) continue;
    found->second.cannot_read_reason =
        "the credential vanished: " + std::exchange(found->second.not_set_up_reason, {});
  }

  ArchiveTargets result;
  result.archives.reserve(targets.size());
  for (auto& [id, target] : targets) result.archives.push_back(std::move(target));
  return result;
}

}  // namespace keelwatch::discovery
