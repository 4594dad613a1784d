#include "app/query_table.h"

#include <algorithm>
#include <utility>

#include "app/terminal.h"
#include "base/clock.h"
#include "base/labels.h"
#include "base/time_text.h"

namespace keelwatch::app {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

// Bytes that are no continuation of a UTF-8 sequence: near enough to columns for labels.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void append_cell(std::string& row, std::string_view text, std::size_t columns) {
  row += text;
  row.append(columns - width(text) + 2, ' ');
}

std::string time_text(std::int64_t time_ms) { return format_rfc3339(from_unix_millis(time_ms)); }

}  // namespace

bool QueryTable::MetricFirst::operator()(const std::string& a, const std::string& b) const {
  return std::pair(a != kMetricName, std::string_view(a)) <
         std::pair(b != kMetricName, std::string_view(b));
}

QueryTable::Text QueryTable::keep(std::string_view text) {
  const std::size_t begin = text_.size();
  text_ += printable(text);
  return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(text_.size() - begin)};
}

void QueryTable::begin_series() {
  series_.push_back(
      {static_cast<std::uint32_t>(labels_.size()), static_cast<std::uint32_t>(points_.size())});
}

void QueryTable::add_label(std::string_view name, std::string_view value) {
  const auto next = static_cast<std::uint32_t>(columns_.size());
  const auto column = columns_.emplace(name, next).first->second;
  labels_.push_back({column, keep(value)});
}

void QueryTable::add_point(std::int64_t time_ms, std::string_view value) {
  points_.push_back({time_ms, keep(value)});
}

QueryTable::Series QueryTable::end_of(std::size_t series) const {
  if (series + 1 < series_.size()) return series_[series + 1];
  return {static_cast<std::uint32_t>(labels_.size()), static_cast<std::uint32_t>(points_.size())};
}

// By the number of the column.
std::vector<std::size_t> QueryTable::widths() const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& [name, column] : columns_) {
    widths[column] =
        name == kMetricName ? std::string_view("metric").size() : width(printable(name));
  }
  for (const Label& label : labels_) {
    widths[label.column] = std::max(widths[label.column], width(view(label.value)));
  }
  return widths;
}

Result<void> QueryTable::print(const Write& write) const {
  const std::vector<std::size_t> widths = this->widths();
  std::size_t time_width = std::string_view("time").size();
  if (timed_) {
    for (const Point& point : points_) {
      time_width = std::max(time_width, time_text(point.time_ms).size());
    }
  }
  std::string piece;
  if (timed_) append_cell(piece, "time", time_width);
  for (const auto& [name, column] : columns_) {
    append_cell(piece, name == kMetricName ? "metric" : printable(name), widths[column]);
  }
  piece += "value\n";
  std::vector<std::string_view> cells;
  std::string labels;
  for (std::size_t s = 0; s < series_.size(); ++s) {
    const Series end = end_of(s);
    cells.assign(columns_.size(), {});
    for (std::size_t i = series_[s].first_label; i < end.first_label; ++i) {
      cells[labels_[i].column] = view(labels_[i].value);
    }
    labels.clear();
    for (const auto& [name, column] : columns_) append_cell(labels, cells[column], widths[column]);
    for (std::size_t i = series_[s].first_point; i < end.first_point; ++i) {
      if (timed_) append_cell(piece, time_text(points_[i].time_ms), time_width);
      piece += labels;
      piece += view(points_[i].value);
      piece += '\n';
      if (piece.size() < kPiece) continue;
      if (Result<void> written = write(piece); !written) return written;
      piece.clear();
    }
  }
  return write(piece);
}

std::string QueryTable::text() const {
  std::string all;
  const Result<void> kept = print([&](std::string_view piece) -> Result<void> {
    all += piece;
    return {};
  });
  return kept ? all : std::string();
}

std::size_t QueryTable::heap_bytes() const {
  return text_.capacity() + series_.capacity() * sizeof(Series) +
         labels_.capacity() * sizeof(Label) + points_.capacity() * sizeof(Point);
}

}  // namespace keelwatch::app
