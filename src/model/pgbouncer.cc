#include "model/pgbouncer.h"

#include <utility>

namespace keelwatch::model {

PgBouncer PgBouncer::absent(PgBouncerId id, const Why& why) {
  const AbsentOfAny no{why};
  return {.id = std::move(id),
          .address = {},
          .via = {},
          .reachability = Reachability::kConnecting,
          .reachability_detail = {},
          .pools = no,
          .traffic = no,
          .totals = no,
          .databases = no};
}

}  // namespace keelwatch::model
