#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "app/terminal.h"
#include "app/what_if.h"
#include "base/json.h"

namespace keelwatch::app {
namespace {

std::string line(std::string_view name, const Outcome& outcome) {
  return fmt::format("  {:<14} {:<12}{}", name, outcome.verdict, outcome.why);
}

// Without the blanks of columns that are empty.
void put(std::string& out, std::string text) {
  out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

std::string volume_text(const ClusterOutcome::Volume& volume) {
  std::string text = fmt::format("{} {} of {} copies left", volume.claim, volume.left.size(),
                                 volume.before.size());
  if (!volume.left.empty()) text += fmt::format(" ({})", fmt::join(volume.left, " "));
  return text;
}

std::string cluster_text(const ClusterOutcome& cluster) {
  std::string out = cluster.ns + "/" + cluster.cluster + "\n";
  put(out, line("data", cluster.data));
  put(out, line("read-write", cluster.read_write));
  put(out, line("read-only", cluster.read_only));
  put(out, line("control plane", cluster.control_plane));
  put(out, line("backups", cluster.backups));
  for (const ClusterOutcome::Instance& instance : cluster.instances) {
    std::vector<std::string> words;
    for (const std::string& why : {instance.service.why, instance.data.why}) {
      if (!why.empty()) words.push_back(why);
    }
    for (const auto& volume : instance.volumes) words.push_back(volume_text(volume));
    const std::string name = instance.name + (instance.primary ? " (primary)" : "");
    const std::string node = instance.node.empty() ? "no node" : "on " + instance.node;
    put(out, fmt::format("  {:<24} {:<12} {:<12}{}", name, node, instance.service.verdict,
                         fmt::join(words, "; ")));
  }
  return out;
}

void put_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.value(text);
  json.end_array();
}

void put_outcome(JsonWriter& json, std::string_view name, const Outcome& outcome) {
  json.key(name).begin_object();
  json.member("verdict", outcome.verdict);
  json.member("why", outcome.why);
  json.end_object();
}

void put_instance(JsonWriter& json, const ClusterOutcome::Instance& instance) {
  json.begin_object();
  json.member("name", instance.name);
  json.member("node", instance.node);
  json.member("primary", instance.primary);
  put_outcome(json, "service", instance.service);
  put_outcome(json, "data", instance.data);
  json.key("volumes").begin_array();
  for (const ClusterOutcome::Volume& volume : instance.volumes) {
    json.begin_object();
    json.member("claim", volume.claim);
    json.member("role", volume.role);
    put_texts(json, "before", volume.before);
    put_texts(json, "left", volume.left);
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

void put_cluster(JsonWriter& json, const ClusterOutcome& cluster) {
  json.begin_object();
  json.member("namespace", cluster.ns);
  json.member("cluster", cluster.cluster);
  put_outcome(json, "data", cluster.data);
  put_outcome(json, "read_write", cluster.read_write);
  put_outcome(json, "read_only", cluster.read_only);
  put_outcome(json, "control_plane", cluster.control_plane);
  put_outcome(json, "backups", cluster.backups);
  json.key("instances").begin_array();
  for (const ClusterOutcome::Instance& instance : cluster.instances) put_instance(json, instance);
  json.end_array();
  json.end_object();
}

}  // namespace

std::string what_if_text(const WhatIf& result) {
  std::string out = fmt::format("If {} {} lost", fmt::join(result.lost, ", "),
                                result.lost.size() == 1 ? "is" : "are");
  if (!result.down.empty()) {
    out += fmt::format(" ({} {} down already)", fmt::join(result.down, ", "),
                       result.down.size() == 1 ? "is" : "are");
  }
  out += ":\n";
  if (result.clusters.empty()) out += "\nno database is known\n";
  for (const ClusterOutcome& cluster : result.clusters) out += "\n" + cluster_text(cluster);
  return printable_lines(out);
}

std::string what_if_json(const WhatIf& result) {
  JsonWriter json;
  json.begin_object();
  put_texts(json, "lost", result.lost);
  put_texts(json, "down", result.down);
  json.member("survives", result.survives());
  json.key("clusters").begin_array();
  for (const ClusterOutcome& cluster : result.clusters) put_cluster(json, cluster);
  json.end_array();
  json.end_object();
  return json.take() + "\n";
}

}  // namespace keelwatch::app
