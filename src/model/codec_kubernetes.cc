#include "model/codec_impl.h"

namespace keelwatch::model {

void encode(JsonWriter& out, const KubernetesSlice& slice) { internal::put(out, slice); }
void encode(JsonWriter& out, const Cluster& cluster) { internal::put(out, cluster); }
void encode(JsonWriter& out, const Pod& pod) { internal::put(out, pod); }

Result<KubernetesSlice> decode_kubernetes_slice(JsonValue value) {
  return internal::decoded<KubernetesSlice>(value);
}

}  // namespace keelwatch::model
