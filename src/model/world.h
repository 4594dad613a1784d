// World: one immutable snapshot of everything that the sources last said. A source that has not
// published yet is a null slice, which assemble() turns into unknowns.
#pragma once

#include <memory>

#include "base/clock.h"
#include "model/kubernetes.h"
#include "model/postgres.h"

namespace keelwatch::model {

struct World {
  WallTime at;                                        // when it was assembled
  std::shared_ptr<const KubernetesSlice> kubernetes;  // never null after assemble()
  std::shared_ptr<const PostgresSlice> postgres;      // never null after assemble()
};

}  // namespace keelwatch::model
