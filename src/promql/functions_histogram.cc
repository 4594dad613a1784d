// Quantiles and fractions of classic histograms (promql/quantile.go: bucketQuantile,
// BucketFraction, ensureMonotonicAndIgnoreSmallDeltas).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include "promql/implementations.h"
#include "promql/plan.h"
#include "promql/printer.h"

namespace keelwatch::promql::fn {
namespace {

constexpr std::string_view kBound = "le";
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Bucket {
  double bound;
  double count;
};

// Go's ParseFloat as far as bounds need it.
std::optional<double> parse_bound(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text == "Inf" || text == "inf") return kInf;
  if (text == "-Inf" || text == "-inf") return -kInf;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (std::isnan(value)) return std::nullopt;
  return value;
}

// A quantile as a label's value: 0.5, and 1.0 (model/labels/float.go, FormatOpenMetricsFloat).
std::string quantile_label(double q) {
  std::string text = format_number(q);
  if (std::isfinite(q) && text.find('.') == std::string::npos) text += ".0";
  return text;
}

// The histograms among a set of series: which series are whose buckets, by bound.
struct Histograms {
  struct Member {
    std::size_t series;
    double bound;
  };
  std::vector<std::vector<Member>> members;  // per histogram, bounds rising
  SetPtr set;                                // one series per histogram, without le
  std::vector<std::size_t> malformed;        // series whose le is no bound
};

// The name tells histograms apart although results do not have it.
std::shared_ptr<Histograms> find_histograms(const SeriesSet& set) {
  auto found = std::make_shared<Histograms>();
  SetBuilder builder;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const Labels& labels = *set.labels[i];
    const std::optional<double> bound = parse_bound(labels.get(kBound));
    if (!bound) {
      found->malformed.push_back(i);
      continue;
    }
    const std::uint32_t h =
        builder.add(std::make_shared<const Labels>(labels.without(kBound)), set.drops(i));
    if (h >= found->members.size()) found->members.resize(h + 1);
    found->members[h].push_back({i, *bound});
  }
  for (auto& members : found->members) {
    std::stable_sort(members.begin(), members.end(),
                     [](const auto& a, const auto& b) { return a.bound < b.bound; });
  }
  found->set = builder.finish();
  return found;
}

// Names are told only where they are still there (delayed name removal).
std::string for_metric(const Evaluation& evaluation, const Labels& labels) {
  const std::string_view name = labels.get(kMetricName);
  if (name.empty() || !evaluation.options.delayed_name_removal) return "";
  return " for metric name " + quote(name);
}

const Histograms& histograms_of(CallNode& call, const Block& block, Evaluation& evaluation,
                                Span span) {
  if (!call.memory || call.memory_key != block.set) {
    call.memory = find_histograms(*block.set);
    call.memory_key = block.set;
  }
  const auto& found = *static_cast<const Histograms*>(call.memory.get());
  const std::size_t steps = evaluation.grid.count;
  for (const std::size_t i : found.malformed) {
    const auto cells = std::span(block.values).subspan(i * steps, steps);
    if (std::all_of(cells.begin(), cells.end(), is_absent)) continue;
    const Labels& labels = *block.set->labels[i];
    evaluation.warn(span,
                    fmt::format("bucket label \"le\" is missing or has a malformed value of {}{}",
                                quote(labels.get(kBound)), for_metric(evaluation, labels)));
  }
  return found;
}

// The buckets of one histogram at a step; those with equal bounds are one.
void buckets_at(const std::vector<Histograms::Member>& members, const Block& block,
                std::size_t step, std::size_t steps, std::vector<Bucket>& out) {
  out.clear();
  for (const Histograms::Member& member : members) {
    const double count = block.values[member.series * steps + step];
    if (is_absent(count)) continue;
    if (!out.empty() && out.back().bound == member.bound) {
      out.back().count += count;
    } else {
      out.push_back({member.bound, count});
    }
  }
}

// Counts must not fall: what rounding made is ignored, the rest is flattened (true).
bool make_monotonic(std::vector<Bucket>& buckets) {
  bool forced = false;
  double previous = buckets.front().count;
  for (Bucket& bucket : buckets) {
    const double sum = std::abs(previous) + std::abs(bucket.count);
    const bool small =
        bucket.count == previous ||
        (std::abs(bucket.count - previous) / std::min(sum, 1.7976931348623157e308) < 1e-12);
    if (small) {
      bucket.count = previous;
    } else if (bucket.count < previous) {
      bucket.count = previous;
      forced = true;
    } else {
      previous = bucket.count;
    }
  }
  return forced;
}

double bucket_quantile(double q, std::vector<Bucket>& buckets, bool& forced) {
  if (std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (buckets.empty() || buckets.back().bound != kInf) return kNan;
  forced = make_monotonic(buckets) || forced;
  if (buckets.size() < 2) return kNan;
  const double observations = buckets.back().count;
  if (observations == 0 || std::isnan(observations)) return kNan;
  double rank = q * observations;
  std::size_t b = 0;
  while (b + 1 < buckets.size() && !(buckets[b].count >= rank)) ++b;
  if (b == buckets.size() - 1) return buckets[b - 1].bound;
  if (b == 0 && buckets[0].bound <= 0) return buckets[0].bound;
  double start = 0;
  double count = buckets[b].count;
  if (b > 0) {
    start = buckets[b - 1].bound;
    count -= buckets[b - 1].count;
    rank -= buckets[b - 1].count;
  }
  return start + (buckets[b].bound - start) * (rank / count);
}

double bucket_fraction(double lower, double upper, std::vector<Bucket>& buckets) {
  if (buckets.empty() || buckets.back().bound != kInf) return kNan;
  const double observations = buckets.back().count;
  if (observations == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  double rank = 0;
  std::optional<double> lower_rank;
  std::optional<double> upper_rank;
  for (std::size_t i = 0; i < buckets.size() && (!lower_rank || !upper_rank); ++i) {
    const double end = buckets[i].bound;
    double start = -kInf;
    if (i > 0) {
      start = buckets[i - 1].bound;
    } else if (end > 0) {
      start = 0;
    }
    const auto interpolate = [&](double v) {
      if (start == -kInf) return buckets[i].count;
      return rank + (buckets[i].count - rank) * (v - start) / (end - start);
    };
    if (!lower_rank && start >= lower) lower_rank = rank;
    if (!upper_rank && start >= upper) upper_rank = rank;
    if (!lower_rank && lower < end) lower_rank = interpolate(lower);
    if (!upper_rank && upper < end) upper_rank = interpolate(upper);
    rank = buckets[i].count;
  }
  if (!lower_rank || *lower_rank > observations) lower_rank = observations;
  if (!upper_rank || *upper_rank > observations) upper_rank = observations;
  return (*upper_rank - *lower_rank) / observations;
}

void inform_forced(Evaluation& evaluation, Span span, const SeriesSet& set,
                   const std::vector<Histograms::Member>& members) {
  evaluation.inform(
      span, fmt::format("input to histogram_quantile needed to be fixed for monotonicity (see "
                        "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                        "#histogram_quantile){}",
                        for_metric(evaluation, *set.labels[members.front().series])));
}

void check_quantile(Evaluation& evaluation, Span span, double q) {
  if (q >= 0 && q <= 1) return;
  evaluation.warn(
      span, fmt::format("quantile value should be between 0 and 1, got {}", format_number(q)));
}

// The buckets of every histogram at every step, to one value each.
template <typename F>
Result<std::vector<double>> of_all(Evaluation& evaluation, const Histograms& histograms,
                                   const Block& block, F value_of) {
  const std::size_t steps = evaluation.grid.count;
  const std::size_t cells = histograms.members.size() * steps;
  if (Result<void> charged = evaluation.charge(cells); !charged) return charged.error();
  std::vector<double> out(cells, absent_cell());
  std::vector<Bucket> buckets;
  for (std::size_t h = 0; h < histograms.members.size(); ++h) {
    for (std::size_t s = 0; s < steps; ++s) {
      buckets_at(histograms.members[h], block, s, steps, buckets);
      if (!buckets.empty()) out[h * steps + s] = value_of(h, s, buckets);
      if (!evaluation.due(histograms.members[h].size())) continue;
      if (Result<void> charged = evaluation.charge(0); !charged) return charged.error();
    }
  }
  return out;
}

// One quantile of every histogram, series by series.
Result<std::vector<double>> quantiles(Evaluation& evaluation, Span span,
                                      const Histograms& histograms, const Block& block,
                                      const std::vector<double>& q) {
  std::vector<std::uint8_t> told(histograms.members.size(), 0);
  return of_all(evaluation, histograms, block,
                [&](std::size_t h, std::size_t s, std::vector<Bucket>& buckets) {
                  bool forced = false;
                  const double value = bucket_quantile(q[s], buckets, forced);
                  if (forced && told[h]++ == 0) {
                    inform_forced(evaluation, span, *block.set, histograms.members[h]);
                  }
                  return value;
                });
}

Result<Value> nameless(CallNode& call, Evaluation& evaluation, Block block) {
  Result<Block> named = call.without_names(std::move(block), evaluation);
  if (!named) return named.error();
  return Value(*std::move(named));
}

}  // namespace

Result<Value> histogram_quantile(CallNode& call, Evaluation& evaluation) {
  Result<Column> q = call.arg(0).column(evaluation);
  if (!q) return q.error();
  Result<Block> block = call.arg(1).block(evaluation);
  if (!block) return block.error();
  for (const double value : q->values) check_quantile(evaluation, call.arg(0).span(), value);
  const Span span = call.arg(1).span();
  const Histograms& histograms = histograms_of(call, *block, evaluation, span);
  Result<std::vector<double>> values = quantiles(evaluation, span, histograms, *block, q->values);
  if (!values) return values.error();
  return nameless(call, evaluation, Block{histograms.set, *std::move(values)});
}

Result<Value> histogram_quantiles(CallNode& call, Evaluation& evaluation) {
  Result<Block> block = call.arg(0).block(evaluation);
  if (!block) return block.error();
  Result<std::string> label = call.arg(1).text(evaluation);
  if (!label) return label.error();
  if (!is_label_name(*label)) {
    return Error(ErrorCode::kInvalid, fmt::format("invalid label name {}", quote(*label)));
  }
  const Span span = call.arg(0).span();
  const Histograms& histograms = histograms_of(call, *block, evaluation, span);
  const std::size_t steps = evaluation.grid.count;
  SetBuilder builder;
  Block out;
  for (std::size_t a = 2; a < call.arg_count(); ++a) {
    Result<Column> q = call.arg(a).column(evaluation);
    if (!q) return q.error();
    for (const double value : q->values) check_quantile(evaluation, call.arg(a).span(), value);
    const Result<std::vector<double>> values =
        quantiles(evaluation, span, histograms, *block, q->values);
    if (!values) return values.error();
    for (std::size_t h = 0; h < histograms.members.size(); ++h) {
      for (std::size_t s = 0; s < steps; ++s) {
        const double value = (*values)[h * steps + s];
        if (is_absent(value)) continue;
        const std::size_t series =
            builder.add(std::make_shared<const Labels>(
                            histograms.set->labels[h]->with(*label, quantile_label(q->values[s]))),
                        histograms.set->drops(h) && *label != kMetricName);
        if (out.values.size() < (series + 1) * steps) {
          if (Result<void> charged = evaluation.charge(steps); !charged) return charged.error();
          out.values.resize((series + 1) * steps, absent_cell());
        }
        double& cell = out.values[series * steps + s];
        if (!is_absent(cell)) {
          return Error(ErrorCode::kInvalid, "vector cannot contain metrics with the same labelset");
        }
        cell = value;
      }
    }
  }
  out.set = builder.finish();
  // The label may be the name: one that is written stays.
  if (*label == kMetricName) return Value(std::move(out));
  return nameless(call, evaluation, std::move(out));
}

Result<Value> histogram_fraction(CallNode& call, Evaluation& evaluation) {
  Result<Column> lower = call.arg(0).column(evaluation);
  if (!lower) return lower.error();
  Result<Column> upper = call.arg(1).column(evaluation);
  if (!upper) return upper.error();
  Result<Block> block = call.arg(2).block(evaluation);
  if (!block) return block.error();
  const Histograms& histograms = histograms_of(call, *block, evaluation, call.arg(2).span());
  Result<std::vector<double>> values =
      of_all(evaluation, histograms, *block,
             [&](std::size_t, std::size_t s, std::vector<Bucket>& buckets) {
               return bucket_fraction(lower->values[s], upper->values[s], buckets);
             });
  if (!values) return values.error();
  return nameless(call, evaluation, Block{histograms.set, *std::move(values)});
}

}  // namespace keelwatch::promql::fn
