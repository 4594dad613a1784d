#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {

// What the rules are is for rules/ to say, in the words of a rule file.
model::PrometheusRule decode_prometheus_rule(JsonReader& reader, JsonValue object) {
  model::PrometheusRule rule;
  rule.meta = lean_meta(reader, object["metadata"]);
  rule.spec = object["spec"].raw();
  return rule;
}

}  // namespace keelwatch::sources
