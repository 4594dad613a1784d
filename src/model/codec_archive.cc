#include "model/codec_impl.h"

namespace keelwatch::model {

void encode(JsonWriter& out, const ArchiveSlice& slice) { internal::put(out, slice); }
void encode(JsonWriter& out, const Archive& archive) { internal::put(out, archive); }

Result<ArchiveSlice> decode_archive_slice(JsonValue value) {
  return internal::decoded<ArchiveSlice>(value);
}

}  // namespace keelwatch::model
