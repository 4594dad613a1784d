// keelwatch_store_*: what the sample store says about itself, from its statistics.
#pragma once

#include <span>

#include "base/clock.h"
#include "metrics/family.h"
#include "metrics/writer.h"
#include "store/store.h"

namespace keelwatch::store {

// Every family that write_metrics() writes, for the writer's declaration.
[[nodiscard]] std::span<const metrics::Family* const> metric_families();

void write_metrics(const StoreStats& stats, WallTime at, metrics::Writer& writer);

}  // namespace keelwatch::store
