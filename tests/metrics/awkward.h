// Families and samples with every awkward case of the formats, shared by the tests that show them
// to other implementations.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "metrics/exposition.h"
#include "metrics/writer.h"

namespace keelwatch::metrics::awkward {

inline constexpr Family kGauge("keelwatch_awkward_bytes", Type::kGauge,
                               "A backslash \\, a \"quote\",\na second line.",
                               {"namespace", "object"});
inline constexpr Family kCounter("keelwatch_awkward_events_total", Type::kCounter, "Größe, 日本.",
                                 {"reason"});
inline constexpr Family kBare("keelwatch_awkward_ratio", Type::kGauge, "No labels.", {});
inline constexpr Family kUnused("keelwatch_awkward_unused", Type::kGauge, "No samples.", {});
inline constexpr const Family* kDeclared[] = {&kCounter, &kUnused, &kGauge, &kBare};

inline const std::vector<std::string>& texts() {
  static const std::vector<std::string> all = {"plain",
                                               "back\\slash",
                                               "quo\"te",
                                               "new\nline",
                                               "\\n",
                                               "\\\\\"",
                                               "} 1 # {",
                                               "größe 日本 😀",
                                               "a,b=\"c\"",
                                               "tab\tcr\r",
                                               std::string("nul\0nul", 7),
                                               "trailing\\",
                                               " ",
                                               "bad \xFF utf8",
                                               "cut \xE6\x97",
                                               "overlong \xC0\xAF",
                                               "surrogate \xED\xA0\x80"};
  return all;
}

inline const std::vector<double>& numbers() {
  using Limits = std::numeric_limits<double>;
  static const std::vector<double> all = {0,
                                          -0.0,
                                          1,
                                          0.1 + 0.2,
                                          1.0 / 3,
                                          1e15,
                                          -1e15,
                                          1e21,
                                          1e-7,
                                          123456,
                                          1764040723.5,
                                          1764040723.0,
                                          Limits::max(),
                                          Limits::lowest(),
                                          5e-324,
                                          Limits::min(),
                                          Limits::epsilon(),
                                          9007199254740993.0,
                                          18446744073709551615.0,
                                          Limits::infinity(),
                                          -Limits::infinity()};
  return all;
}

inline Samples samples(SeriesTable& table) {
  const auto known = [](double v) { return Observed<double>::known(v, WallTime{}); };
  Writer writer(table, kDeclared);
  for (std::size_t i = 0; i < texts().size(); ++i) {
    writer.write(kGauge, {texts()[i], "text"}, known(static_cast<double>(i)));
    writer.write(kCounter, {texts()[i]}, known(static_cast<double>(i) + 0.5));
  }
  for (std::size_t i = 0; i < numbers().size(); ++i) {
    writer.write(kGauge, {std::to_string(i), ""}, known(numbers()[i]));
  }
  writer.write(kBare, {}, known(0.1 + 0.2));
  return std::move(writer).finish();
}

inline std::string page(Format format) {
  SeriesTable table;
  std::string out;
  append_samples(out, samples(table), format);
  end_page(out, format);
  return out;
}

}  // namespace keelwatch::metrics::awkward
