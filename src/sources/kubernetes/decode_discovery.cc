#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

constexpr const char* kServiceName = "kubernetes.io/service-name";

model::Endpoint endpoint_of(JsonValue endpoint) {
  const JsonValue conditions = endpoint["conditions"];
  const JsonValue target = endpoint["targetRef"];
  return {.addresses = texts_of(endpoint["addresses"]),
          .ready = conditions["ready"].boolean(),
          .serving = conditions["serving"].boolean(),
          .terminating = conditions["terminating"].boolean(),
          .pod = target["kind"].string() == "Pod" ? text_or_empty(target["name"]) : "",
          .node = text_or_empty(endpoint["nodeName"])};
}

}  // namespace

model::EndpointSlice decode_endpoint_slice(JsonReader& reader, JsonValue object) {
  model::EndpointSlice slice;
  slice.meta = decode_meta(reader, object["metadata"]);
  const auto service = slice.meta.labels.find(kServiceName);
  if (service != slice.meta.labels.end()) slice.service = service->second;
  slice.address_type = text_or_empty(object["addressType"]);
  object["ports"].for_each([&](JsonValue port) {
    slice.ports.push_back({text_or_empty(port["name"]), port["port"].integer().value_or(0)});
  });
  object["endpoints"].for_each(
      [&](JsonValue endpoint) { slice.endpoints.push_back(endpoint_of(endpoint)); });
  return slice;
}

}  // namespace keelwatch::sources
