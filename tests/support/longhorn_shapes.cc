#include "tests/support/longhorn_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <stdexcept>

#include "base/time_text.h"

namespace keelwatch::testing {
namespace {

using Json = nlohmann::json;

constexpr const char* kLonghorn = "longhorn.io/v1beta2";
constexpr const char* kRecordedClaim = "pg-1";

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

bool is(const Json& object, const std::string& api_version, const std::string& kind) {
  return object.at("apiVersion") == api_version && object.at("kind") == kind;
}

const std::string& name_of(const Json& object) {
  return object.at("metadata").at("name").get_ref<const std::string&>();
}

bool belongs_to(const Json& object, const std::string& volume) {
  const std::string& kind = object.at("kind").get_ref<const std::string&>();
  if (kind == "Backup" || kind == "BackupVolume" || kind == "Snapshot") return false;
  if (name_of(object).starts_with(volume)) return true;
  return (kind == "PersistentVolumeClaim" || kind == "Pod") && name_of(object) == kRecordedClaim;
}

bool is_meant(const Json& object, const LonghornShapes::Change& change) {
  if (object.at("kind") != change.kind) return false;
  // Kubernetes has a VolumeAttachment of its own; here are none.
  return change.number == 0 || name_of(object).ends_with(fmt::format("-r-{:08}", change.number));
}

}  // namespace

LonghornShapes::LonghornShapes(const std::string& version, WallTime now)
    : hour_ago_(format_rfc3339(now - std::chrono::hours(1), 0)) {
  std::ifstream file(KEELWATCH_SOURCE_DIR "/tests/testdata/longhorn/" + version + ".json");
  if (!file) throw std::runtime_error("no recording of Longhorn " + version);
  Json recorded = Json::parse(file);
  for (Json& object : recorded.at("items")) objects_.push_back(std::move(object));
  recorded_volume_ = volume_of(kRecordedClaim);
}

nlohmann::json LonghornShapes::renamed(const Json& object, const std::string& volume,
                                       const std::string& claim) const {
  std::string text = object.dump();
  replace_all(text, recorded_volume_, volume);
  replace_all(text, std::string("\"") + kRecordedClaim + "\"", "\"" + claim + "\"");
  return Json::parse(text);
}

void LonghornShapes::add_volume(const std::string& claim, const Changes& changes,
                                const std::string& cluster) {
  const std::string volume = "pvc-of-" + claim;
  std::vector<Json> made;
  for (const Json& object : objects_) {
    if (belongs_to(object, recorded_volume_)) made.push_back(renamed(object, volume, claim));
  }
  for (Json& object : made) {
    Json& labels = object["metadata"]["labels"];
    if (labels.contains("cnpg.io/cluster")) {
      if (cluster.empty()) {
        labels = Json::object();
      } else {
        labels["cnpg.io/cluster"] = cluster;
      }
    }
  }
  for (const Change& change : changes) {
    const auto meant =
        std::ranges::find_if(made, [&](const Json& o) { return is_meant(o, change); });
    if (meant == made.end()) throw std::logic_error("the recorded volume has no " + change.kind);
    if (change.patch == "remove") {
      made.erase(meant);
      continue;
    }
    std::string patch = change.patch;
    replace_all(patch, "@volume", volume);
    replace_all(patch, "@hour_ago", hour_ago_);
    meant->merge_patch(Json::parse(patch));
  }
  std::ranges::move(made, std::back_inserter(objects_));
}

void LonghornShapes::add_lost_node(const std::string& name) {
  std::vector<Json> made;
  for (const Json& object : objects_) {
    if (object.at("kind") != "Node" || name_of(object) != "node-1") continue;
    std::string text = object.dump();
    replace_all(text, "node-1", name);
    replace_all(text, disk_of("node-1"), disk_of(name));
    Json node = Json::parse(text);
    for (Json& condition : node["status"]["conditions"]) {
      if (condition.at("type") != "Ready") continue;
      const bool longhorn = is(object, kLonghorn, "Node");
      condition["status"] = longhorn ? "False" : "Unknown";
      condition["reason"] = longhorn ? "KubernetesNodeNotReady" : "NodeStatusUnknown";
    }
    made.push_back(std::move(node));
  }
  std::ranges::move(made, std::back_inserter(objects_));
}

void LonghornShapes::add(Json object) {
  std::erase_if(objects_, [&](const Json& o) {
    return is(o, object.at("apiVersion"), object.at("kind")) && name_of(o) == name_of(object);
  });
  objects_.push_back(std::move(object));
}

std::vector<std::string> LonghornShapes::objects() const {
  std::vector<std::string> texts;
  for (const Json& object : objects_) texts.push_back(object.dump());
  return texts;
}

std::size_t LonghornShapes::count(const std::string& api_version, const std::string& kind) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(objects_, [&](const Json& o) { return is(o, api_version, kind); }));
}

std::string LonghornShapes::volume_of(const std::string& claim) const {
  for (const Json& object : objects_) {
    if (object.at("kind") == "PersistentVolumeClaim" && name_of(object) == claim) {
      return object.at("spec").at("volumeName");
    }
  }
  throw std::logic_error("no claim " + claim);
}

std::string LonghornShapes::disk_of(const std::string& node) const {
  return fmt::format("d15c000{}-0000-4000-8000-000000000000", node.back());
}

}  // namespace keelwatch::testing
