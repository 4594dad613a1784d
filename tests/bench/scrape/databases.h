// The program itself, watching a real primary with two standbys and the Kubernetes API's stand-in,
// beside prometheus-postgres-exporter on the same servers.
#pragma once

#include "tests/bench/common/figure.h"

namespace keelwatch::bench {

// `smoke`: short windows. Without the peer's package its figures are left out.
void measure_databases(bool smoke, Figures& figures);

}  // namespace keelwatch::bench
