#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {

model::Lease decode_lease(JsonReader& reader, JsonValue object) {
  model::Lease lease;
  lease.meta = decode_meta(reader, object["metadata"]);
  const JsonValue spec = object["spec"];
  lease.holder = text_or_empty(spec["holderIdentity"]);
  lease.duration_seconds = spec["leaseDurationSeconds"].integer();
  lease.acquired = time_of(reader, spec["acquireTime"]);
  lease.renewed = time_of(reader, spec["renewTime"]);
  lease.transitions = spec["leaseTransitions"].integer();
  return lease;
}

}  // namespace keelwatch::sources
