#include "tests/standins/kube_store.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

namespace keelwatch::standins {

using Json = nlohmann::ordered_json;

namespace {

std::string key_of(const std::string& space, const std::string& name) { return space + "/" + name; }

std::string random_uid() {
  static thread_local std::mt19937_64 generator{std::random_device{}()};
  const std::uint64_t high = generator();
  const std::uint64_t low = generator();
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-a%03x-%012llx", unsigned(high >> 32U),
                unsigned(high >> 16U & 0xffffU), unsigned(high & 0xfffU),
                unsigned(low >> 48U & 0xfffU),
                static_cast<unsigned long long>(low & 0xffffffffffffULL));
  return text;
}

std::string timestamp_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string text_at(const Json& value, const char* key) {
  const auto it = value.find(key);
  return it != value.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// Takes over a finished JSON object: apiVersion, kind and metadata come first in its text.
KubeObjectPtr make_object(const KubeResource& resource, const Json& value, std::uint64_t version) {
  auto object = std::make_shared<KubeObject>();
  Json metadata = value.at("metadata");
  metadata["resourceVersion"] = std::to_string(version);
  object->space = text_at(metadata, "namespace");
  object->name = text_at(metadata, "name");
  object->resource_version = version;
  if (const auto labels = metadata.find("labels");
      labels != metadata.end() && labels->is_object()) {
    for (const auto& [key, label] : labels->items()) object->labels[key] = label.get<std::string>();
  }
  object->text = "{\"apiVersion\":" + Json(resource.api_version()).dump() +
                 ",\"kind\":" + Json(resource.kind).dump() + ",";
  object->after_kind = object->text.size();
  object->text += "\"metadata\":" + metadata.dump();
  for (const auto& [key, field] : value.items()) {
    if (key == "apiVersion" || key == "kind" || key == "metadata") continue;
    object->text += "," + Json(key).dump() + ":" + field.dump();
  }
  object->text += "}";
  return object;
}

bool same_but_version(const Json& a, Json b) {
  b["metadata"]["resourceVersion"] = a["metadata"]["resourceVersion"];
  // Order of keys is no difference.
  return nlohmann::json(a) == nlohmann::json(b);
}

bool has_finalizers(const Json& value) {
  const auto it = value["metadata"].find("finalizers");
  return it != value["metadata"].end() && it->is_array() && !it->empty();
}

// Lists that are never left out and, once stored, are null when empty. Of the kinds of
// kube_catalogue.cc only EndpointSlices have such.
void settle_lists(Json& value) {
  if (text_at(value, "kind") != "EndpointSlice") return;
  for (const char* list : {"endpoints", "ports"}) {
    if (!value.contains(list) || value[list].empty()) value[list] = nullptr;
  }
}

// The metadata of `value` as the server would store it; `before` is null for a creation.
void settle_metadata(Json& value, const Json& before) {
  Json& metadata = value["metadata"];
  for (const char* ours : {"uid", "creationTimestamp", "generation", "deletionTimestamp",
                           "deletionGracePeriodSeconds", "selfLink"}) {
    metadata.erase(ours);
  }
  if (before.is_null()) {
    metadata["uid"] = random_uid();
    metadata["creationTimestamp"] = timestamp_now();
    metadata["generation"] = 1;
    return;
  }
  const Json& old = before["metadata"];
  for (const char* kept :
       {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    if (old.contains(kept)) metadata[kept] = old[kept];
  }
  const auto part = [](const Json& of, const char* key) {
    return of.contains(key) ? nlohmann::json(of[key]) : nlohmann::json();
  };
  const bool changed = part(value, "spec") != part(before, "spec");
  metadata["generation"] = old.value("generation", 1) + (changed ? 1 : 0);
}

}  // namespace

void KubeObject::append_item(const KubeResource& resource, std::string& to) const {
  if (resource.custom) {
    to += text;
  } else {
    to += '{';
    to.append(text, after_kind);
  }
}

KubeObjectPtr with_resource_version(const KubeObject& object, std::uint64_t version) {
  auto copy = std::make_shared<KubeObject>(object);
  copy->resource_version = version;
  Json value = Json::parse(object.text);
  value["metadata"]["resourceVersion"] = std::to_string(version);
  copy->text = value.dump();  // apiVersion and kind keep their place: after_kind stays right
  return copy;
}

void KubeStore::install(KubeResource resource) {
  const std::string name = resource.qualified();
  tables_.try_emplace(name, Table{std::move(resource), {}});
}

void KubeStore::uninstall(const KubeResource& resource) {
  const auto it = tables_.find(resource.qualified());
  if (it == tables_.end()) return;
  while (!it->second.objects.empty()) erase(it->second, it->second.objects.begin()->first);
  tables_.erase(it);
}

const KubeResource* KubeStore::find(std::string_view group, std::string_view version,
                                    std::string_view plural) const {
  std::string name(plural);
  if (!group.empty()) name.append(".").append(group);
  const auto it = tables_.find(name);
  return it == tables_.end() || it->second.resource.version != version ? nullptr
                                                                       : &it->second.resource;
}

const KubeResource* KubeStore::find_kind(std::string_view api_version,
                                         std::string_view kind) const {
  for (const auto& [name, table] : tables_) {
    if (table.resource.kind == kind && table.resource.api_version() == api_version) {
      return &table.resource;
    }
  }
  return nullptr;
}

bool KubeStore::has_group_version(std::string_view group, std::string_view version) const {
  return std::any_of(tables_.begin(), tables_.end(), [&](const auto& entry) {
    return entry.second.resource.group == group && entry.second.resource.version == version;
  });
}

std::vector<const KubeResource*> KubeStore::resources() const {
  std::vector<const KubeResource*> all;
  for (const auto& [name, table] : tables_) all.push_back(&table.resource);
  return all;
}

KubeStore::Table* KubeStore::table_of(const KubeRef& ref) {
  const KubeResource* resource = find_kind(ref.api_version, ref.kind);
  if (resource == nullptr) {
    throw std::invalid_argument("no matches for kind \"" + ref.kind + "\" in version \"" +
                                ref.api_version + "\"");
  }
  return &tables_.at(resource->qualified());
}

std::size_t KubeStore::put(std::string_view json) {
  Json value = Json::parse(json);
  if (text_at(value, "kind") == "List") {
    for (Json& item : value.at("items")) put_one(std::move(item));
    return value.at("items").size();
  }
  put_one(std::move(value));
  return 1;
}

void KubeStore::put_one(Json value) {
  const Table& known = *table_of({text_at(value, "apiVersion"), text_at(value, "kind"), "", ""});
  Table& table = tables_.at(known.resource.qualified());
  Json& metadata = value["metadata"];
  const std::string name = text_at(metadata, "name");
  if (name.empty()) throw std::invalid_argument("resource name may not be empty");
  std::string space;
  if (table.resource.namespaced) {
    if (text_at(metadata, "namespace").empty()) metadata["namespace"] = "default";
    space = text_at(metadata, "namespace");
  } else {
    metadata.erase("namespace");
  }
  const auto before = table.objects.find(key_of(space, name));
  const bool is_new = before == table.objects.end();
  const Json old = is_new ? Json() : Json::parse(before->second->text);
  settle_metadata(value, old);
  settle_lists(value);
  if (!is_new) {
    if (same_but_version(old, value)) return;
    if (old["metadata"].contains("deletionTimestamp") && !has_finalizers(value)) {
      erase(table, before->first);
      return;
    }
  }
  KubeObjectPtr object = make_object(table.resource, value, version_ + 1);
  KubeObjectPtr previous = is_new ? nullptr : before->second;
  table.objects[key_of(space, name)] = object;
  log(is_new ? KubeEvent::Type::kAdded : KubeEvent::Type::kModified, table, std::move(object),
      std::move(previous));
}

bool KubeStore::patch(const KubeRef& ref, std::string_view json) {
  const Table& table = *table_of(ref);
  const auto it = table.objects.find(key_of(ref.space, ref.name));
  if (it == table.objects.end()) return false;
  Json value = Json::parse(it->second->text);
  value.merge_patch(Json::parse(json));
  put_one(std::move(value));
  return true;
}

bool KubeStore::remove(const KubeRef& ref) {
  Table& table = *table_of(ref);
  const auto it = table.objects.find(key_of(ref.space, ref.name));
  if (it == table.objects.end()) return false;
  Json value = Json::parse(it->second->text);
  if (!has_finalizers(value)) {
    erase(table, it->first);
    return true;
  }
  if (value["metadata"].contains("deletionTimestamp")) return true;
  value["metadata"]["deletionTimestamp"] = timestamp_now();
  value["metadata"]["deletionGracePeriodSeconds"] = 0;
  value["metadata"]["generation"] = value["metadata"].value("generation", 1) + 1;
  KubeObjectPtr object = make_object(table.resource, value, version_ + 1);
  KubeObjectPtr previous = std::exchange(it->second, object);
  log(KubeEvent::Type::kModified, table, std::move(object), std::move(previous));
  return true;
}

void KubeStore::erase(Table& table, const Key& key) {
  const auto it = table.objects.find(key);
  KubeObjectPtr previous = it->second;
  table.objects.erase(it);
  log(KubeEvent::Type::kDeleted, table, with_resource_version(*previous, version_ + 1), previous);
}

void KubeStore::log(KubeEvent::Type type, const Table& table, KubeObjectPtr object,
                    KubeObjectPtr previous) {
  ++version_;
  events_.push_back(
      {version_, type, table.resource.qualified(), std::move(object), std::move(previous)});
  while (events_.size() > history_) {
    events_.pop_front();
    ++compacted_;
  }
}

KubeObjectPtr KubeStore::get(const KubeResource& resource, const std::string& space,
                             const std::string& name) const {
  const Table& table = tables_.at(resource.qualified());
  const auto it = table.objects.find(key_of(space, name));
  return it == table.objects.end() ? nullptr : it->second;
}

std::optional<std::vector<KubeObjectPtr>> KubeStore::list(const KubeResource& resource,
                                                          const std::string& space,
                                                          std::uint64_t at_version) const {
  if (at_version < compacted_) return std::nullopt;
  const Table& table = tables_.at(resource.qualified());
  std::vector<KubeObjectPtr> listed;
  const auto wanted = [&](const KubeObject& object) {
    return space.empty() || object.space == space;
  };
  if (at_version >= version_) {
    for (const auto& [key, object] : table.objects) {
      if (wanted(*object)) listed.push_back(object);
    }
    return listed;
  }
  // Undo what came later, newest first.
  std::map<Key, KubeObjectPtr> then = table.objects;
  for (auto event = events_.rbegin(); event != events_.rend(); ++event) {
    if (event->resource_version <= at_version) break;
    if (event->resource != table.resource.qualified()) continue;
    const Key key = key_of(event->object->space, event->object->name);
    if (event->previous) {
      then[key] = event->previous;
    } else {
      then.erase(key);
    }
  }
  for (const auto& [key, object] : then) {
    if (wanted(*object)) listed.push_back(object);
  }
  return listed;
}

const KubeEvent* KubeStore::next_event(std::uint64_t version) const {
  if (version >= version_) return nullptr;
  return &events_[static_cast<std::size_t>(version - compacted_)];
}

void KubeStore::compact() {
  events_.clear();
  compacted_ = version_;
}

bool KubeStore::selected_by_field(const KubeObject& object, std::string_view field,
                                  std::string_view value) {
  if (field == "metadata.name") return object.name == value;
  if (field == "metadata.namespace") return object.space == value;
  const Json parsed = Json::parse(object.text);
  const Json* at = &parsed;
  while (!field.empty()) {
    const std::string part(field.substr(0, field.find('.')));
    field.remove_prefix(std::min(part.size() + 1, field.size()));
    const auto it = at->is_object() ? at->find(part) : at->end();
    if (it == at->end()) return value.empty();
    at = &*it;
  }
  return at->is_string() && at->get<std::string>() == value;
}

}  // namespace keelwatch::standins
