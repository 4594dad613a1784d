#include "model/codec_impl.h"

namespace keelwatch::model {

void encode(JsonWriter& out, const PostgresSlice& slice) { internal::put(out, slice); }
void encode(JsonWriter& out, const Instance& instance) { internal::put(out, instance); }

Result<PostgresSlice> decode_postgres_slice(JsonValue value) {
  return internal::decoded<PostgresSlice>(value);
}

}  // namespace keelwatch::model
