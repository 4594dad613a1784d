#include "model/codec_impl.h"

namespace keelwatch::model {
namespace internal {

// Not all of its members are facts of the world: rules are on no tape.
template <>
KubernetesSlice blank<KubernetesSlice>() {
  return KubernetesSlice::absent(
      {Absence::kUnknown, Error(ErrorCode::kUnavailable, "not recorded"), "tape"});
}

}  // namespace internal

void encode(JsonWriter& out, const KubernetesSlice& slice) { internal::put(out, slice); }
void encode(JsonWriter& out, const Cluster& cluster) { internal::put(out, cluster); }
void encode(JsonWriter& out, const Pod& pod) { internal::put(out, pod); }

Result<KubernetesSlice> decode_kubernetes_slice(JsonValue value) {
  return internal::decoded<KubernetesSlice>(value);
}

}  // namespace keelwatch::model
