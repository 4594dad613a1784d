#include "metrics/family.h"

namespace keelwatch::metrics {

std::string_view to_string(Type type) {
  switch (type) {
    case Type::kGauge:
      return "gauge";
    case Type::kCounter:
      return "counter";
    case Type::kHistogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace keelwatch::metrics
