#include "promql/implementations.h"
#include "promql/plan.h"

namespace keelwatch::promql::fn {

Result<Value> info(CallNode& call, Evaluation& evaluation) { return unsupported(call, evaluation); }

}  // namespace keelwatch::promql::fn
