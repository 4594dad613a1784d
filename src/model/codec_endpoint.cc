#include "model/codec_impl.h"

namespace keelwatch::model {

void encode(JsonWriter& out, const ProbeSlice& slice) { internal::put(out, slice); }
void encode(JsonWriter& out, const EndpointProbe& probe) { internal::put(out, probe); }

Result<ProbeSlice> decode_probe_slice(JsonValue value) {
  return internal::decoded<ProbeSlice>(value);
}

}  // namespace keelwatch::model
