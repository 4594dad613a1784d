#include "app/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "app/judgements.h"
#include "base/edit_distance.h"
#include "base/json.h"
#include "base/time_text.h"
#include "collectors/collector.h"
#include "metrics/exposition.h"
#include "model/codec.h"

namespace keelwatch::app {
namespace {

struct Selector {
  const metrics::Family* family;
  Labels labels;
};

Result<Selector> parse_selector(std::string_view text) {
  // A series without its value is a line of the exposition format without its end.
  const auto parsed = metrics::parse_page(std::string(text) + " 0\n", "text/plain", 1);
  if (!parsed || parsed->samples.size() != 1) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("{} is not a series, write it like name{{label=\"value\"}}",
                             text.empty() ? "\"\"" : text));
  }
  const Labels& labels = parsed->samples.front().labels;
  const std::string_view name = labels.get(kMetricName);
  std::vector<std::string_view> names;
  for (const metrics::Family* family : collectors::all_families()) {
    if (family->name() == name) return Selector{family, labels.without(kMetricName)};
    names.push_back(family->name());
  }
  const auto near = nearest(name, names);
  return Error(ErrorCode::kNotFound,
               fmt::format("no family \"{}\"{}", name,
                           near ? fmt::format(", did you mean \"{}\"?", *near) : ""));
}

bool matches(const Labels& labels, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](LabelView l) { return labels.get(l.name) == l.value; });
}

// One matching series: its value, or why it has none.
struct Line {
  std::string series;
  std::optional<double> value;
  WallTime observed_at;
  const Why* why = nullptr;
};

std::vector<Line> find_lines(const Moment& moment, const Selector& selector) {
  std::vector<Line> lines;
  const std::string name(selector.family->name());
  for (const metrics::Point& point : moment.samples.points) {
    if (point.series->family != selector.family) continue;
    const Labels labels = point.series->labels();
    if (matches(labels, selector.labels)) {
      lines.push_back({name + labels.text(), point.value, point.observed_at, nullptr});
    }
  }
  for (const metrics::Absent& absent : moment.samples.absent) {
    if (absent.family == selector.family && matches(absent.labels, selector.labels)) {
      lines.push_back({name + absent.labels.text(), std::nullopt, {}, &absent.why});
    }
  }
  return lines;
}

// What the selector's labels speak of: the reports and objects to show as evidence.
struct Evidence {
  std::vector<const model::SourceReport*> reports;
  std::vector<const model::Instance*> instances;
  std::vector<const model::Cluster*> clusters;
};

// The object stores, for what is said of an archive or of sources.
void add_archives(const Moment& moment, const Selector& selector,
                  std::vector<const model::SourceReport*>& reports) {
  const Labels& labels = selector.labels;
  const auto agrees = [&](std::string_view label, std::string_view value) {
    return !labels.has(label) || labels.get(label) == value;
  };
  const auto& names = selector.family->labels();
  const bool of_sources = std::ranges::find(names, "source") != names.end();
  if (!of_sources && std::ranges::find(names, "archive") == names.end()) return;
  const auto& archives = moment.assessment.recovery.archives;
  for (const model::SourceReport& report : moment.world.archives->reports) {
    const bool meant =
        of_sources || std::ranges::any_of(archives, [&](const analysis::Recovery& recovery) {
          return text(recovery.archive) == report.target && agrees("archive", report.target) &&
                 agrees("namespace", recovery.ns) && agrees("cluster", recovery.cluster);
        });
    if (meant && agrees("source", report.source) && agrees("target", report.target)) {
      reports.push_back(&report);
    }
  }
}

Evidence find_evidence(const Moment& moment, const Selector& selector) {
  const Labels& labels = selector.labels;
  Evidence evidence;
  const auto agrees = [&](std::string_view label, const std::string& value) {
    return !labels.has(label) || labels.get(label) == value;
  };
  for (const auto& instance : moment.world.postgres->instances) {
    // All instances of the cluster: a standby is judged against its primary.
    if (agrees("namespace", instance->id.ns) && agrees("cluster", instance->id.cluster)) {
      evidence.instances.push_back(instance.get());
    }
  }
  if (const auto* clusters = moment.world.kubernetes->clusters.if_known()) {
    for (const auto& cluster : *clusters) {
      if (agrees("namespace", cluster->meta.ns) && agrees("cluster", cluster->meta.name)) {
        evidence.clusters.push_back(cluster.get());
      }
    }
  }
  for (const model::SourceReport& report : moment.world.kubernetes->reports) {
    if (agrees("source", report.source) && agrees("target", report.target)) {
      evidence.reports.push_back(&report);
    }
  }
  for (const model::SourceReport& report : moment.world.postgres->reports) {
    const bool of_instance =
        std::any_of(evidence.instances.begin(), evidence.instances.end(),
                    [&](const model::Instance* i) { return text(i->id) == report.target; });
    if (of_instance && agrees("source", report.source) && agrees("target", report.target)) {
      evidence.reports.push_back(&report);
    }
  }
  add_archives(moment, selector, evidence.reports);
  return evidence;
}

std::string describe(const model::SourceReport& report, WallTime now) {
  std::string out = report.source + " " + report.target + ": ";
  if (report.not_set_up) return out + "not set up";
  if (report.not_installed) return out + "not installed";
  out += report.up ? "up" : "down, " + report.last_error;
  if (report.last_success) {
    out += fmt::format(", last answered {} ago", format_duration(now - *report.last_success));
  }
  return out + fmt::format(", took {:.1f}ms", to_seconds(report.last_duration) * 1000);
}

// Every leaf of a JSON value as "path = value".
void flatten(JsonValue value, const std::string& path, std::string& out) {
  const auto join = [&](std::string_view key) {
    return path.empty() ? std::string(key) : path + "." + std::string(key);
  };
  switch (value.type()) {
    case JsonType::kObject:
      value.for_each_member([&](std::string_view key, JsonValue v) { flatten(v, join(key), out); });
      return;
    case JsonType::kArray: {
      int index = 0;
      value.for_each([&](JsonValue v) { flatten(v, fmt::format("{}[{}]", path, index++), out); });
      if (index == 0) out += fmt::format("    {} = []\n", path);
      return;
    }
    case JsonType::kAbsent:
      return;
    default:
      out += fmt::format("    {} = {}\n", path, value.raw());
  }
}

template <typename T>
void append_facts(std::string& out, const std::string& title, const T& object) {
  JsonWriter writer;
  model::encode(writer, object);
  const std::string json = writer.take();
  JsonReader reader;
  out += "  " + title + "\n";
  flatten(reader.parse(json), "", out);
}

std::string as_text(const Moment& moment, const Selector& selector, const std::vector<Line>& lines,
                    const Evidence& evidence) {
  const WallTime now = moment.world.at;
  std::string out;
  for (const Line& line : lines) {
    if (line.value) {
      out += fmt::format("{} {}\n  observed {} before the step at {}\n", line.series, *line.value,
                         format_duration(now - line.observed_at), format_rfc3339(now));
    } else {
      out += fmt::format("{} has no sample\n  {}: {}: {} ({})\n", line.series,
                         to_string(line.why->absence), line.why->source, line.why->error.message(),
                         to_string(line.why->error.code()));
    }
  }
  if (lines.empty()) {
    out +=
        fmt::format("no series of {} with {}\n  nothing that keelwatch watches has these labels\n",
                    selector.family->name(), selector.labels.text());
  }
  out += fmt::format("meaning\n  {}\n", selector.family->help());
  out += "sources\n";
  for (const model::SourceReport* report : evidence.reports) {
    out += "  " + describe(*report, now) + "\n";
  }
  if (evidence.reports.empty()) out += "  none has been asked yet\n";
  const std::vector<Judgement> judgements = find_judgements(moment, selector.labels);
  if (!judgements.empty()) out += "judgements\n";
  for (const Judgement& one : judgements) {
    out += fmt::format("  {}: {}{}{}\n", one.about, one.verdict, one.reason.empty() ? "" : ": ",
                       one.reason);
  }
  out += "facts\n";
  for (const model::Instance* i : evidence.instances) {
    append_facts(out, "instance " + text(i->id), *i);
  }
  for (const model::Cluster* c : evidence.clusters) {
    append_facts(out, "Cluster " + c->meta.ns + "/" + c->meta.name, *c);
  }
  return out;
}

std::string as_json(const Moment& moment, const Selector& selector, const std::vector<Line>& lines,
                    const Evidence& evidence) {
  JsonWriter out;
  out.begin_object();
  out.member("at", format_rfc3339(moment.world.at));
  out.member("family", selector.family->name());
  out.member("type", to_string(selector.family->type()));
  out.member("help", selector.family->help());
  out.key("series").begin_array();
  for (const Line& line : lines) {
    out.begin_object();
    out.member("series", line.series);
    if (line.value) {
      out.member("value", *line.value);
      out.member("age_seconds", to_seconds(moment.world.at - line.observed_at));
    } else {
      out.member("absent", to_string(line.why->absence));
      out.member("reason", line.why->error.message());
      out.member("code", to_string(line.why->error.code()));
      out.member("source", line.why->source);
    }
    out.end_object();
  }
  out.end_array();
  out.key("sources").begin_array();
  for (const model::SourceReport* report : evidence.reports) model::encode(out, *report);
  out.end_array();
  out.key("judgements").begin_array();
  for (const Judgement& one : find_judgements(moment, selector.labels)) {
    out.begin_object();
    out.member("about", one.about);
    out.member("verdict", one.verdict);
    out.member("reason", one.reason);
    out.end_object();
  }
  out.end_array();
  out.key("instances").begin_array();
  for (const model::Instance* instance : evidence.instances) model::encode(out, *instance);
  out.end_array();
  out.key("clusters").begin_array();
  for (const model::Cluster* cluster : evidence.clusters) model::encode(out, *cluster);
  out.end_array();
  out.end_object();
  return out.take() + "\n";
}

}  // namespace

Result<std::string> explain(const Moment& moment, std::string_view series, bool json) {
  const auto selector = parse_selector(series);
  if (!selector) return selector.error();
  const std::vector<Line> lines = find_lines(moment, *selector);
  const Evidence evidence = find_evidence(moment, *selector);
  return json ? as_json(moment, *selector, lines, evidence)
              : as_text(moment, *selector, lines, evidence);
}

}  // namespace keelwatch::app
