// The PromQL engine against a real Prometheus: the same random series in both, the same random
// expressions, the same answers. Debian's Prometheus 2.42 where its semantics are those of 3; with
// KEELWATCH_PEERS=1 Prometheus 3 from the cache of tests/peers/build_prometheus.
//
// Environment: KEELWATCH_DIFFERENTIAL=SEED:CASE runs a single case again, SEED:FIRST:COUNT several.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>

#include "base/json.h"
#include "base/time_text.h"
#include "promql/engine.h"
#include "promql/printer.h"
#include "store/store.h"
#include "tests/support/prometheus_server.h"
#include "tests/support/random_promql.h"

namespace keelwatch::promql {
namespace {

using testing::PrometheusServer;
using testing::PromqlDialect;
using testing::RandomPromql;
using testing::RandomSeries;

constexpr std::uint64_t kCasesPerDataset = 1000;
constexpr std::size_t kMaxReported = 30;
constexpr std::size_t kMaxReportedBytes = 600;  // of an answer

struct Series {
  std::string labels;
  std::vector<Sample> samples;
};

// An answer in a form that both sides reach.
struct Outcome {
  std::string error;  // "bad_data", "execution"; "" for an answer
  std::string message;
  std::string type;
  std::vector<Series> series;  // of a scalar one without labels
  std::string text;
  std::set<std::string> warnings;
  std::set<std::string> infos;
};

struct Case {
  std::string query;
  bool range = false;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;
};

std::uint64_t mixed(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

Case make_case(std::uint64_t seed, PromqlDialect dialect) {
  RandomPromql random(seed, dialect);
  Case made;
  made.range = random.one_in(2);
  made.query = made.range ? random.range_expression() : random.instant_expression();
  // Prometheus 3 is also asked at the very time of samples.
  const bool edge = dialect == PromqlDialect::kPrometheus3 && random.one_in(4);
  made.start_ms = testing::kSeriesStartMs - 60'000 +
                  1000 * static_cast<std::int64_t>(random.below(48 * 60)) +
                  (edge ? testing::kSeriesPhaseMs : 500);
  made.end_ms = made.start_ms;
  if (made.range) {
    static constexpr std::int64_t kSteps[] = {1000, 7000, 15'000, 15'000, 30'000, 60'000, 300'000};
    made.step_ms = kSteps[random.below(std::size(kSteps))];
    made.end_ms += made.step_ms * static_cast<std::int64_t>(random.below(12)) +
                   1000 * static_cast<std::int64_t>(random.below(3));
  }
  return made;
}

Outcome ask_engine(const store::Store& store, const Case& c) {
  Outcome out;
  Result<Query> query = Query::compile(c.query);
  if (!query) {
    out.error = query.error().code() == ErrorCode::kUnsupported ? "unsupported" : "bad_data";
    out.message = query.error().message();
    return out;
  }
  Result<Answer> answer = c.range ? query->range(store, c.start_ms, c.end_ms, c.step_ms)
                                  : query->instant(store, c.start_ms);
  if (!answer) {
    out.error = "execution";
    out.message = answer.error().message();
    return out;
  }
  out.warnings = {answer->annotations.warnings.begin(), answer->annotations.warnings.end()};
  out.infos = {answer->annotations.infos.begin(), answer->annotations.infos.end()};
  switch (answer->type) {
    case ValueType::kScalar:
      out.type = "scalar";
      out.series.push_back({"{}", {{c.start_ms, answer->scalar}}});
      break;
    case ValueType::kString:
      out.type = "string";
      out.text = answer->text;
      break;
    case ValueType::kVector:
      out.type = "vector";
      for (const VectorSample& sample : answer->vector) {
        out.series.push_back({sample.labels->text(), {{sample.timestamp_ms, sample.value}}});
      }
      break;
    case ValueType::kMatrix:
      out.type = "matrix";
      for (const MatrixSeries& series : answer->matrix) {
        out.series.push_back({series.labels->text(), series.samples});
      }
  }
  return out;
}

Sample read_point(JsonValue pair) {
  Sample sample;
  int index = 0;
  pair.for_each([&](JsonValue part) {
    if (index++ == 0) {
      sample.timestamp_ms = std::llround(part.number().value_or(0) * 1000);
    } else {
      sample.value = std::strtod(std::string(part.string().value_or("")).c_str(), nullptr);
    }
  });
  return sample;
}

Outcome ask_prometheus(PrometheusServer& server, const Case& c) {
  const auto seconds = [](std::int64_t ms) {
    return std::to_string(ms / 1000) + "." + std::to_string(1000 + ms % 1000).substr(1);
  };
  std::string form = "query=" + percent_encode(c.query);
  if (c.range) {
    form += "&start=" + seconds(c.start_ms) + "&end=" + seconds(c.end_ms) +
            "&step=" + seconds(c.step_ms);
  } else {
    form += "&time=" + seconds(c.start_ms);
  }
  const HttpResponse response =
      server.post(c.range ? "/api/v1/query_range" : "/api/v1/query", form);
  JsonReader reader;
  const JsonValue root = reader.parse(response.body);
  Outcome out;
  if (root["status"].string() != "success") {
    out.error = root["errorType"].string().value_or("no answer of the API");
    out.message = root["error"].string().value_or(response.body);
    return out;
  }
  root["warnings"].for_each([&](JsonValue w) { out.warnings.emplace(w.string().value_or("")); });
  root["infos"].for_each([&](JsonValue w) { out.infos.emplace(w.string().value_or("")); });
  out.type = root["data"]["resultType"].string().value_or("");
  const JsonValue result = root["data"]["result"];
  if (out.type == "scalar") {
    out.series.push_back({"{}", {read_point(result)}});
  } else if (out.type == "string") {
    int index = 0;
    result.for_each([&](JsonValue part) {
      if (index++ == 1) out.text = part.string().value_or("");
    });
  } else {
    result.for_each([&](JsonValue one) {
      std::vector<LabelView> labels;
      one["metric"].for_each_member([&](std::string_view name, JsonValue value) {
        labels.push_back({name, value.string().value_or("")});
      });
      Series series{Labels(std::move(labels)).text(), {}};
      one["values"].for_each([&](JsonValue pair) { series.samples.push_back(read_point(pair)); });
      if (one["value"].present()) series.samples.push_back(read_point(one["value"]));
      out.series.push_back(std::move(series));
    });
  }
  if (const Result<void> read = reader.finish(); !read) out.error = read.error().message();
  return out;
}

bool same_value(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  if (std::isinf(a) || std::isinf(b)) return false;
  return std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b));
}

std::string describe(const Outcome& outcome) {
  if (!outcome.error.empty()) return outcome.error + ": " + outcome.message + "\n";
  std::string out = outcome.type + " " + outcome.text + "\n";
  for (const Series& series : outcome.series) {
    out += "    " + series.labels;
    for (const Sample& sample : series.samples) {
      out += " " + format_number(sample.value) + "@" +
             std::to_string(sample.timestamp_ms - testing::kSeriesStartMs);
    }
    out += "\n";
  }
  for (const std::string& text : outcome.warnings) out += "    " + text + "\n";
  for (const std::string& text : outcome.infos) out += "    " + text + "\n";
  if (out.size() > kMaxReportedBytes) out = out.substr(0, kMaxReportedBytes) + "...\n";
  return out;
}

// Two details of Prometheus are not reproduced: how much a histogram had to be changed (its count
// of samples depends on how annotations were merged), and that it loses the place of a subquery and
// says 1:1.
std::set<std::string> without_details(const std::set<std::string>& annotations, bool places) {
  static const std::regex kChange(", from buckets .* to [-0-9TZ:]+");
  static const std::regex kPlace(R"( \(\d+:\d+\)$)");
  std::set<std::string> out;
  for (const std::string& text : annotations) {
    std::string plain = std::regex_replace(text, kChange, "");
    out.insert(places ? plain : std::regex_replace(plain, kPlace, ""));
  }
  return out;
}

// Prometheus tells at most ten of a kind, and how many more there are; and a text only once, at one
// of its places.
bool same_annotations(const std::set<std::string>& ours, const std::set<std::string>& theirs) {
  const std::set<std::string> texts = without_details(ours, false);
  if (texts.size() > 10) return theirs.size() == 11;
  if (texts != without_details(theirs, false)) return false;
  const std::set<std::string> placed = without_details(ours, true);
  const std::set<std::string> others = without_details(theirs, true);
  return std::all_of(others.begin(), others.end(), [&](const std::string& text) {
    return placed.contains(text) || text.ends_with(" (1:1)");
  });
}

// Why two answers differ, or "".
std::string difference(const Case& c, Outcome ours, Outcome theirs, bool annotations) {
  if (ours.error != theirs.error) return "error";
  if (!ours.error.empty()) return "";
  if (ours.type != theirs.type || ours.text != theirs.text) return "type";
  if (ours.series.size() != theirs.series.size()) return "number of series";
  // An instant vector has an order only where it was sorted, and equal values may stand either way.
  if (ours.type == "vector" && c.query.starts_with("sort")) {
    for (std::size_t i = 0; i < ours.series.size(); ++i) {
      const bool by_label = c.query.starts_with("sort_by_label");
      if (by_label
              ? ours.series[i].labels != theirs.series[i].labels
              : !same_value(ours.series[i].samples[0].value, theirs.series[i].samples[0].value)) {
        return "order";
      }
    }
  }
  if (ours.type != "matrix" || !c.range) {
    const auto before = [](const Series& a, const Series& b) { return a.labels < b.labels; };
    std::sort(ours.series.begin(), ours.series.end(), before);
    std::sort(theirs.series.begin(), theirs.series.end(), before);
  }
  for (std::size_t i = 0; i < ours.series.size(); ++i) {
    const Series& a = ours.series[i];
    const Series& b = theirs.series[i];
    if (a.labels != b.labels) return "labels";
    if (a.samples.size() != b.samples.size()) return "number of samples";
    for (std::size_t s = 0; s < a.samples.size(); ++s) {
      if (a.samples[s].timestamp_ms != b.samples[s].timestamp_ms) return "time";
      if (!same_value(a.samples[s].value, b.samples[s].value)) return "value";
    }
  }
  if (annotations && !same_annotations(ours.warnings, theirs.warnings)) return "warnings";
  if (annotations && !same_annotations(ours.infos, theirs.infos)) return "infos";
  return "";
}

struct Run {
  std::string program;
  std::vector<std::string> arguments;
  PromqlDialect dialect = PromqlDialect::kPrometheus3;
  std::uint64_t seed = 1;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

struct Tally {
  std::size_t cases = 0;
  std::size_t errors = 0;  // alike on both sides
  std::size_t empty = 0;
  std::size_t mismatches = 0;
  std::map<std::string, std::size_t> kinds;
  std::string report;
};

class Comparison {
 public:
  explicit Comparison(const Run& run) : run_(run) {}

  Tally compare() {
    std::optional<std::uint64_t> loaded;
    for (std::uint64_t i = run_.first; i < run_.first + run_.count; ++i) {
      if (loaded != i / kCasesPerDataset) load(i / kCasesPerDataset);
      loaded = i / kCasesPerDataset;
      compare(i);
    }
    return std::move(tally_);
  }

 private:
  void load(std::uint64_t dataset) {
    const std::vector<RandomSeries> data = testing::random_series(
        mixed(run_.seed + dataset), run_.dialect == PromqlDialect::kPrometheus3);
    store_ = std::make_unique<store::Store>(store::StoreOptions{.retention = Duration::max()});
    for (const RandomSeries& series : data) {
      const Result<store::SeriesId> id = store_->series(series.labels);
      REQUIRE(id);
      for (const Sample& sample : series.samples) {
        store_->append(*id, sample.timestamp_ms, sample.value);
      }
    }
    store_->end_step(testing::kSeriesStartMs + testing::kSeriesSpanMs);
    server_.reset();
    server_ = std::make_unique<PrometheusServer>(run_.program, run_.arguments);
    server_->write(data);
  }

  void compare(std::uint64_t number) {
    const Case c = make_case(mixed(mixed(run_.seed) + number), run_.dialect);
    const Outcome ours = ask_engine(*store_, c);
    const Outcome theirs = ask_prometheus(*server_, c);
    ++tally_.cases;
    const std::string kind =
        difference(c, ours, theirs, run_.dialect == PromqlDialect::kPrometheus3);
    if (kind.empty()) {
      if (!ours.error.empty()) ++tally_.errors;
      if (ours.error.empty() && ours.series.empty() && ours.text.empty()) ++tally_.empty;
      return;
    }
    ++tally_.kinds[kind];
    if (tally_.mismatches++ >= kMaxReported) return;
    tally_.report += "KEELWATCH_DIFFERENTIAL=" + std::to_string(run_.seed) + ":" +
                     std::to_string(number) + " " + kind + "\n  " + c.query + "\n  at " +
                     std::to_string(c.start_ms - testing::kSeriesStartMs) + " to " +
                     std::to_string(c.end_ms - testing::kSeriesStartMs) + " step " +
                     std::to_string(c.step_ms) + " ms\n  keelwatch " + describe(ours) +
                     "  Prometheus " + describe(theirs);
  }

  const Run& run_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<PrometheusServer> server_;
  Tally tally_;
};

void check_run(Run run, const std::string& name) {
  if (const char* chosen = std::getenv("KEELWATCH_DIFFERENTIAL")) {
    unsigned long long seed = 0;
    unsigned long long first = 0;
    unsigned long long count = 1;
    REQUIRE(std::sscanf(chosen, "%llu:%llu:%llu", &seed, &first, &count) >= 2);
    run.seed = seed;
    run.first = first;
    run.count = count;
  }
  const Tally tally = Comparison(run).compare();
  const std::string figures = std::to_string(tally.cases) + " cases against " + name + ", " +
                              std::to_string(tally.mismatches) + " mismatches (" +
                              std::to_string(tally.errors) + " refused by both, " +
                              std::to_string(tally.empty) + " empty)";
  std::cout << "promql differential: " << figures << "\n";
  for (const auto& [kind, count] : tally.kinds) std::cout << "  " << kind << ": " << count << "\n";
  if (const char* file = std::getenv("KEELWATCH_FIGURES")) {
    std::ofstream(file, std::ios::app) << figures << "\n";
  }
  INFO(tally.report);
  CHECK(tally.mismatches == 0);
  if (run.count < 100) return;
  // A comparison of errors and of nothing would always succeed.
  CHECK(tally.errors * 3 < tally.cases);
  CHECK(tally.empty * 3 < tally.cases);
}

// What tests/peers/build_prometheus says: 0 and a path, 3 if there is nothing to build it with.
struct Built {
  int code;
  std::string path;
};

Built build_prometheus_3() {
  std::FILE* pipe = popen("'" KEELWATCH_SOURCE_DIR "/tests/peers/build_prometheus'", "r");
  REQUIRE(pipe != nullptr);
  std::string path;
  for (int c = std::fgetc(pipe); c != EOF && c != '\n'; c = std::fgetc(pipe)) {
    path += static_cast<char>(c);
  }
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, path};
}

// Whoever asks for the comparison gets it or a failure; only a missing tool is an excuse, and none
// in the long suite.
void check_prometheus_3(std::uint64_t seed, std::uint64_t count, bool may_lack_tools) {
  constexpr int kNoTool = 3;
  const auto& [code, program] = build_prometheus_3();
  if (code == kNoTool && may_lack_tools) {
    WARN("skipped: nothing to build Prometheus 3 with (tests/peers/build_prometheus)");
    return;
  }
  INFO("tests/peers/build_prometheus ended with " << code << ": " << program);
  REQUIRE(code == 0);
  REQUIRE(access(program.c_str(), X_OK) == 0);
  check_run({program,
             {"--enable-feature=promql-experimental-functions"},
             PromqlDialect::kPrometheus3,
             seed,
             0,
             count},
            "Prometheus 3");
}

TEST_CASE("PromQL gives Debian's Prometheus' answers", "[promql][differential]") {
  if (access("/usr/bin/prometheus", X_OK) != 0) {
    WARN("skipped: no /usr/bin/prometheus");
    return;
  }
  check_run({"/usr/bin/prometheus", {}, PromqlDialect::kPrometheus2, 1, 0, 500}, "Prometheus 2.42");
}

TEST_CASE("PromQL gives Prometheus 3's answers", "[promql][differential][peers]") {
  const char* wanted = std::getenv("KEELWATCH_PEERS");
  if (wanted == nullptr || std::string(wanted) != "1") {
    WARN("skipped: KEELWATCH_PEERS is not 1");
    return;
  }
  check_prometheus_3(1, 2000, true);
}

TEST_CASE("PromQL gives Prometheus 3's answers to many thousand expressions",
          "[.][long:promql-differential]") {
  check_prometheus_3(2, 50'000, false);
}

}  // namespace
}  // namespace keelwatch::promql
