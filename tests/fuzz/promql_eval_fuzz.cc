// Any expression that compiles can be evaluated on a small store, twice with the same answer.
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string_view>

#include "promql/engine.h"
#include "promql/script_compare.h"
#include "store/store.h"

namespace {

using namespace keelwatch;

std::unique_ptr<store::Store> small_store() {
  auto store = std::make_unique<store::Store>();
  constexpr double kValues[] = {0, 1, -1, 1e300, 0.5, 3, 2, 7};
  for (int series = 0; series < 6; ++series) {
    const char* name = series < 3 ? "a" : "b_bucket";
    const std::string le = series == 5 ? "+Inf" : std::to_string(series);
    const auto id =
        store->series(Labels{{"__name__", name}, {"le", le}, {"x", series % 2 ? "1" : ""}});
    for (int t = 0; t < 40; ++t) {
      double value = kValues[(t * (series + 1)) % 8];
      if (t % 13 == series) value = std::numeric_limits<double>::quiet_NaN();
      if (t % 17 == series) value = stale_marker();
      if (t % 19 == series) value = unknown_marker();
      store->append(*id, t * 15'000, value);
    }
  }
  store->end_step(40 * 15'000);
  return store;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<store::Store> store = small_store();
  if (size > 400) return 0;
  promql::Options options;
  options.max_samples = 200'000;
  options.max_steps = 50;
  options.delayed_name_removal = size % 2 != 0;
  Result<promql::Query> query =
      promql::Query::compile(std::string_view(reinterpret_cast<const char*>(data), size), options);
  if (!query) return 0;
  const Result<promql::Answer> first = query->instant(*store, 300'000);
  const Result<promql::Answer> range = query->range(*store, 100'000, 500'000, 37'000);
  (void)query->unknown_series(*store, 285'000);
  if (!promql::same_answer(first, query->instant(*store, 300'000))) std::abort();
  if (!promql::same_answer(range, query->range(*store, 100'000, 500'000, 37'000))) std::abort();
  return 0;
}
