#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/sample.h"
#include "base/time_text.h"
#include "promql/lexer.h"
#include "promql/parser.h"
#include "promql/script.h"

namespace keelwatch::promql {
namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::size_t kMaxPoints = 1'000'000;  // of a script

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// Cuts the first word off.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const std::size_t end = std::min(text.find_first_of(kBlank), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<double> take_number(std::string_view& text) {
  std::string_view rest = text;
  if (rest.starts_with('+')) rest.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<double> whole_number(std::string_view text) {
  const std::optional<double> value = take_number(text);
  return text.empty() ? value : std::nullopt;
}

// A duration, or seconds as a plain number; negative ones too.
std::optional<std::int64_t> parse_time(std::string_view text) {
  const bool negative = take(text, "-");
  std::optional<double> seconds = whole_number(text);
  if (!seconds) {
    const Result<Duration> duration = parse_duration(text);
    if (!duration) return std::nullopt;
    seconds = to_seconds(*duration);
  }
  if (!(std::abs(*seconds) < 1e12)) return std::nullopt;
  return std::llround(*seconds * 1000) * (negative ? -1 : 1);
}

class ScriptParser {
 public:
  explicit ScriptParser(Diagnostics& problems) : problems_(problems) {}

  std::vector<ScriptCommand> run() {
    const std::string_view text = problems_.source().text();
    const auto lines = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
    bool in_block = false;
    for (line_ = 1; line_ <= lines; ++line_) {
      const std::string_view line = trim(problems_.source().line(line_));
      if (line.empty() || line.starts_with('#')) {
        in_block = false;
      } else if (in_block) {
        block_line(line);
      } else {
        in_block = command(line);
      }
    }
    return std::move(commands_);
  }

 private:
  [[nodiscard]] int column_of(std::string_view at) const {
    const std::string_view whole = problems_.source().line(line_);
    const bool inside = at.data() >= whole.data() && at.data() <= whole.data() + whole.size();
    return inside ? static_cast<int>(at.data() - whole.data()) + 1 : 1;
  }

  void problem(std::string_view at, std::string text, std::string remedy = {}) {
    problems_.error({line_, column_of(at), std::max(1, static_cast<int>(at.size()))}, "",
                    std::move(text), std::move(remedy));
  }

  std::optional<std::int64_t> time(std::string_view word) {
    const std::optional<std::int64_t> time = parse_time(word);
    if (!time) problem(word, "not a time, such as 5m or 90");
    return time;
  }

  // True if the lines up to the next blank one belong to it.
  bool command(std::string_view line) {
    const std::string_view whole = line;
    const std::string_view word = take_word(line);
    ScriptCommand command;
    command.line = line_;
    if (word == "clear") {
      commands_.push_back(std::move(command));
      return false;
    }
    if (word == "load" || word == "load_with_nhcb") {
      command.kind = ScriptCommand::Kind::kLoad;
      command.custom_buckets = word == "load_with_nhcb";
      const std::optional<std::int64_t> step = time(take_word(line));
      if (step && *step <= 0) problem(whole, "the step must be greater than 0");
      command.step_ms = step.value_or(1);
    } else if (word.starts_with("eval")) {
      evaluation(word, line, command);
    } else {
      problem(word, "unknown command", "one of load, load_with_nhcb, clear, eval");
      return false;
    }
    commands_.push_back(std::move(command));
    return true;
  }

  void evaluation(std::string_view word, std::string_view rest, ScriptCommand& command) {
    static constexpr std::pair<std::string_view, Expectation::Kind> kForms[] = {
        {"eval_fail", Expectation::Kind::kFail},
        {"eval_warn", Expectation::Kind::kWarn},
        {"eval_info", Expectation::Kind::kInfo}};
    command.ordered = word == "eval_ordered";
    bool known = command.ordered || word == "eval";
    for (const auto& [form, kind] : kForms) {
      if (word != form) continue;
      command.expectations.push_back({kind, "", false});
      known = true;
    }
    if (!known) return problem(word, "unknown command");
    const std::string_view mode = take_word(rest);
    if (mode == "instant" && take_word(rest) == "at") {
      command.kind = ScriptCommand::Kind::kInstant;
      command.start_ms = command.end_ms = time(take_word(rest)).value_or(0);
    } else if (mode == "range") {
      command.kind = ScriptCommand::Kind::kRange;
      times(rest, command);
    } else {
      return problem(mode, "neither \"instant at TIME\" nor \"range from TIME to TIME step STEP\"");
    }
    command.query = rest;
    command.column = column_of(rest);
    if (rest.empty()) problem(word, "no query");
  }

  void times(std::string_view& rest, ScriptCommand& command) {
    for (const auto& [word, value] :
         {std::pair<std::string_view, std::int64_t*>{"from", &command.start_ms},
          {"to", &command.end_ms},
          {"step", &command.step_ms}}) {
      const std::string_view found = take_word(rest);
      if (found != word) return problem(found, fmt::format("expected \"{}\"", word));
      *value = time(take_word(rest)).value_or(0);
    }
    if (command.step_ms <= 0) problem(rest, "the step must be greater than 0");
    if (command.end_ms < command.start_ms) problem(rest, "the end is before the start");
  }

  void block_line(std::string_view line) {
    ScriptCommand& command = commands_.back();
    if (command.kind != ScriptCommand::Kind::kLoad) {
      std::string_view rest = line;
      if (take_word(rest) == "expect" && !rest.empty() && !rest.starts_with('{')) {
        return expectation(rest, command);
      }
      if (const std::optional<double> number = whole_number(line)) {
        command.scalar = number;
        return;
      }
    }
    // "metric@st ..." and "metric{...}@st ...": start timestamps of the series below.
    if (line.substr(0, line.find_first_of(" \t{")).ends_with("@st")) return;
    std::string_view rest = line;
    Result<Labels> labels = parse_series(rest);
    if (!labels) return problem(line, labels.error().message());
    if (take(rest, "@st")) return;
    if (!at_end_of_word(rest)) {
      return problem(rest, "a blank is missing between a series and its values");
    }
    ScriptSeries series;
    series.labels = *std::move(labels);
    while (!(rest = trim(rest)).empty()) {
      if (!points(rest, series.points)) return problem(rest, "not a value");
    }
    command.series.push_back(std::move(series));
  }

  // One word of values.
  bool points(std::string_view& rest, std::vector<ScriptPoint>& out) {
    if (rest.starts_with("{{")) return histogram_points(rest, out);
    if (take(rest, "_")) return repeated_point(rest, {ScriptPoint::Kind::kGap, 0}, out);
    if (take(rest, "stale")) {
      return repeated_point(rest, {ScriptPoint::Kind::kValue, stale_marker()}, out);
    }
    std::optional<double> value = take_number(rest);
    if (!value) return false;
    double step = 0;
    if (rest.starts_with('+') || rest.starts_with('-')) {
      const std::optional<double> given = take_number(rest);
      if (!given) return false;
      step = *given;
    }
    std::size_t more = 0;
    if (rest.starts_with('x')) {
      const std::optional<std::size_t> times = repeat(rest);
      if (!times) return false;
      more = *times;
    }
    if (!at_end_of_word(rest)) return false;
    for (std::size_t i = 0; i <= more; ++i) {
      if (!push(out, {ScriptPoint::Kind::kValue, *value}, 1)) return false;
      *value += step;
    }
    return true;
  }

  static bool at_end_of_word(std::string_view rest) {
    return rest.empty() || kBlank.find(rest.front()) != std::string_view::npos;
  }

  bool repeated_point(std::string_view& rest, ScriptPoint point, std::vector<ScriptPoint>& out) {
    const std::optional<std::size_t> times = repeat(rest);
    return times && at_end_of_word(rest) && push(out, point, *times);
  }

  // "xN", or 1.
  static std::optional<std::size_t> repeat(std::string_view& rest) {
    if (!take(rest, "x")) return 1;
    std::size_t times = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), times);
    if (error != std::errc{} || times > kMaxPoints) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return times;
  }

  // How many there are matters to nobody: such a series is not evaluated.
  bool histogram_points(std::string_view& rest, std::vector<ScriptPoint>& out) {
    while (rest.starts_with("{{")) {
      const std::size_t end = rest.find("}}");
      if (end == std::string_view::npos) return false;
      rest.remove_prefix(end + 2);
      if (rest.starts_with("+{{") || rest.starts_with("-{{")) rest.remove_prefix(1);
    }
    const std::optional<std::size_t> times = repeat(rest);
    return times && push(out, {ScriptPoint::Kind::kHistogram, 0}, 1);
  }

  bool push(std::vector<ScriptPoint>& out, ScriptPoint point, std::size_t times) {
    points_ += times;
    if (points_ > kMaxPoints) return false;
    out.insert(out.end(), times, point);
    return true;
  }

  void expectation(std::string_view rest, ScriptCommand& command) {
    static constexpr std::pair<std::string_view, Expectation::Kind> kKinds[] = {
        {"fail", Expectation::Kind::kFail},
        {"warn", Expectation::Kind::kWarn},
        {"info", Expectation::Kind::kInfo},
        {"no_warn", Expectation::Kind::kNoWarn},
        {"no_info", Expectation::Kind::kNoInfo}};
    const std::string_view word = take_word(rest);
    if (word == "ordered") {
      command.ordered = true;
      return;
    }
    if (word == "string") {
      const TokenList list = tokenize(rest);
      if (list.tokens.front().kind != TokenKind::kString) return problem(rest, "not a string");
      command.text = list.tokens.front().string;
      return;
    }
    if (word == "range" && take_word(rest) == "vector") {
      command.range_vector = true;
      ScriptCommand window;
      times(rest, window);
      command.series_start_ms = window.start_ms;
      command.step_ms = window.step_ms;
      return;
    }
    for (const auto& [name, kind] : kKinds) {
      if (word != name) continue;
      Expectation made{kind, "", false};
      made.regex = take(rest, "regex:");
      if (made.regex || take(rest, "msg:")) made.message = trim(rest);
      command.expectations.push_back(std::move(made));
      return;
    }
    problem(word, "unknown expectation",
            "one of fail, warn, info, no_warn, no_info, ordered, string");
  }

  Diagnostics& problems_;
  std::vector<ScriptCommand> commands_;
  int line_ = 0;
  std::size_t points_ = 0;
};

}  // namespace

std::vector<ScriptCommand> parse_script(Diagnostics& problems) {
  return ScriptParser(problems).run();
}

}  // namespace keelwatch::promql
