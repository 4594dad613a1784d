// The answer to a query as a table: a row per series and point of time; the metric's name and each
// label that occurs are columns, the value is the last.
//
// An answer of 64 MiB must not take gigabytes: a label or a point takes 16 bytes and its text, kept
// once per series, which comes to some six bytes for each byte of the answer at most. The rows,
// which repeat their series' labels, exist only while they are printed, one piece at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelwatch::app {

class QueryTable {
 public:
  using Write = std::function<Result<void>(std::string_view)>;

  // `timed`: the first column is the time.
  explicit QueryTable(bool timed = false) : timed_(timed) {}

  // Labels and points belong to the series begun last; its labels come first.
  void begin_series();
  void add_label(std::string_view name, std::string_view value);
  void add_point(std::int64_t time_ms, std::string_view value);

  [[nodiscard]] bool empty() const { return points_.empty(); }
  // Calls `write` for one piece of some kilobytes after the other, until it fails.
  [[nodiscard]] Result<void> print(const Write& write) const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::size_t heap_bytes() const;

 private:
  struct Text {  // of text_
    std::uint32_t begin = 0, size = 0;
  };
  struct Label {
    std::uint32_t column = 0;  // of columns_
    Text value;
  };
  struct Point {
    std::int64_t time_ms = 0;
    Text value;
  };
  struct Series {
    std::uint32_t first_label = 0, first_point = 0;
  };

  Text keep(std::string_view text);
  [[nodiscard]] std::string_view view(Text text) const {
    return std::string_view(text_).substr(text.begin, text.size);
  }
  [[nodiscard]] Series end_of(std::size_t series) const;
  [[nodiscard]] std::vector<std::size_t> widths() const;

  bool timed_;
  std::string text_;  // printable
  // In the order of printing, the metric's name first.
  struct MetricFirst {
    bool operator()(const std::string& a, const std::string& b) const;
  };
  std::map<std::string, std::uint32_t, MetricFirst> columns_;
  std::vector<Series> series_;
  std::vector<Label> labels_;
  std::vector<Point> points_;
};

}  // namespace keelwatch::app
