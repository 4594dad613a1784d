// Whatever bytes an API server sends as an object, a page or a frame: the decoders and the splitter
// neither crash nor read outside, and an object that was complained of has no facts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/time_text.h"
#include "sources/kubernetes/api_server.h"
#include "sources/kubernetes/decode.h"
#include "sources/kubernetes/exec_plugin.h"
#include "sources/kubernetes/object_store.h"
#include "sources/kubernetes/summary_store.h"

namespace keelwatch::sources {
namespace {

template <typename T>
void decode(T (*function)(JsonReader&, JsonValue), std::string_view text) {
  JsonReader reader;
  TypedStore<T> store(function);
  const JsonValue root = reader.parse(text);
  const auto put = [&](JsonValue object) {
    const auto id = decode_identity(reader, object);
    if (id) store.put(reader, object, *id);
  };
  put(root);
  if (root.type() == JsonType::kObject && root["items"].type() == JsonType::kArray) {
    root["items"].for_each(put);
  }
  for (const auto& object : store.objects()) {
    if (object->meta.name.empty()) std::abort();
  }
  if (store.malformed() == 0 && !store.problem().empty()) std::abort();
}

template <typename T>
void sum_up(std::string (*group)(JsonValue), void (*add)(JsonReader&, JsonValue, T&),
            std::string_view text) {
  JsonReader reader;
  SummaryStore<T> store(group, add);
  store.begin_listing();
  const JsonValue object = reader.parse(text);
  const auto id = decode_identity(reader, object);
  if (id) store.add_listed(reader, object, *id);
  store.finish_listing();
  if (store.objects().size() + store.malformed() != (id ? 1U : 0U)) std::abort();
}

}  // namespace
}  // namespace keelwatch::sources

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelwatch;
  using namespace keelwatch::sources;
  const std::vector<char> bytes(data, data + size);
  const std::string_view text(bytes.data(), bytes.size());
  decode(decode_cluster, text);
  decode(decode_pod, text);
  decode(decode_service, text);
  decode(decode_claim, text);
  decode(decode_volume, text);
  decode(decode_node, text);
  decode(decode_pooler, text);
  decode(decode_database, text);
  decode(decode_endpoint_slice, text);
  decode(decode_lease, text);
  decode(decode_deployment, text);
  decode(decode_scheduled_backup, text);
  decode(decode_backup, text);
  decode(decode_object_store, text);
  decode(decode_volume_snapshot, text);
  decode(decode_volume_snapshot_content, text);
  decode(decode_storage_class, text);
  decode(decode_longhorn_volume, text);
  decode(decode_longhorn_engine, text);
  decode(decode_volume_replica, text);
  decode(decode_longhorn_node, text);
  decode(decode_instance_manager, text);
  decode(decode_volume_attachment, text);
  decode(decode_engine_image, text);
  decode(decode_longhorn_setting, text);
  decode(decode_backup_target, text);
  decode(decode_backup_volume, text);
  decode(decode_recurring_job, text);
  decode(decode_system_backup, text);
  sum_up(volume_of_snapshot, add_snapshot, text);
  sum_up(volume_of_backup, add_backup, text);
  (void)parse_go_time(text);
  (void)refusal(static_cast<int>(size % 600), text, "list pods");
  (void)is_api_not_found(text);
  (void)parse_exec_credential(text, "client.authentication.k8s.io/v1");
  (void)parse_quantity(text);
  // The lines do not depend on how the stream is cut.
  std::size_t whole = 0;
  std::size_t pieces = 0;
  LineSplitter one(64);
  const bool one_ok =
      one.push(text, [&](std::string_view line) { return whole += line.size() + 1, true; });
  LineSplitter many(64);
  bool many_ok = true;
  for (std::size_t i = 0; i < text.size() && many_ok; ++i) {
    many_ok = many.push(text.substr(i, 1),
                        [&](std::string_view line) { return pieces += line.size() + 1, true; });
  }
  if (one_ok && many_ok && (whole != pieces || one.rest() != many.rest())) std::abort();
  return 0;
}
