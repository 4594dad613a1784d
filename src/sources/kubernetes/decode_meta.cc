#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/time_text.h"
#include "sources/kubernetes/decode.h"

namespace keelwatch::sources {
namespace {

// Copies of whole manifests: kubectl apply's, and the one that CNPG keeps in its Pods.
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::string_view kPodSpec = "cnpg.io/podSpec";

void read_texts(JsonValue object, std::map<std::string, std::string>& out) {
  object.for_each_member([&](std::string_view key, JsonValue value) {
    if (key == kLastApplied || key == kPodSpec) return;
    if (const auto text = value.string()) out.emplace(key, *text);
  });
}

struct Suffix {
  std::string_view text;
  double factor;
};
constexpr Suffix kSuffixes[] = {
    {"", 1.0},
    {"Ki", 1024.0},
    {"Mi", 1048576.0},
    {"Gi", 1073741824.0},
    {"Ti", 1099511627776.0},
    {"Pi", 1125899906842624.0},
    {"Ei", 1152921504606846976.0},
    {"n", 1e-9},
    {"u", 1e-6},
    {"m", 1e-3},
    {"k", 1e3},
    {"M", 1e6},
    {"G", 1e9},
    {"T", 1e12},
    {"P", 1e15},
    {"E", 1e18},
};

}  // namespace

std::string text_or_empty(JsonValue value) { return std::string(value.string().value_or("")); }

std::string words_or_empty(JsonValue value) {
  std::string_view words = value.string().value_or("");
  if (words.size() > kMaxWords) {
    std::size_t end = kMaxWords;
    while (end > 0 && (static_cast<unsigned char>(words[end]) & 0xC0U) == 0x80U) --end;
    words = words.substr(0, end);
  }
  return std::string(words);
}

std::vector<std::string> texts_of(JsonValue list) {
  std::vector<std::string> texts;
  list.for_each([&](JsonValue text) { texts.push_back(text_or_empty(text)); });
  return texts;
}

std::optional<std::int64_t> integer_of(JsonValue value) {
  if (value.type() == JsonType::kString && value.string()->empty()) return std::nullopt;
  return value.integer_or_text();
}

JsonValue find_condition(JsonValue status, std::string_view type) {
  JsonValue found;
  status["conditions"].for_each([&](JsonValue c) {
    if (!found.present() && c["type"].string() == type) found = c;
  });
  return found;
}

std::optional<bool> condition_status(JsonValue condition) {
  const auto status = condition["status"].string();
  if (!status) return std::nullopt;
  return *status == "True";
}

std::vector<model::Condition> conditions_of(JsonReader& reader, JsonValue status) {
  std::vector<model::Condition> conditions;
  status["conditions"].for_each([&](JsonValue c) {
    conditions.push_back({text_or_empty(c["type"]), text_or_empty(c["status"]),
                          text_or_empty(c["reason"]), words_or_empty(c["message"]),
                          time_of(reader, c["lastTransitionTime"])});
  });
  return conditions;
}

std::optional<WallTime> time_of(JsonReader& reader, JsonValue value) {
  const auto text = value.string();
  if (!text || text->empty()) return std::nullopt;
  const auto time = parse_rfc3339(*text);
  if (time) return *time;
  reader.fail(fmt::format("\"{}\" is not a time", text->substr(0, 64)));
  return std::nullopt;
}

std::optional<std::int64_t> parse_quantity(std::string_view text) {
  double number = 0;
  // An exponent belongs to the number only if digits follow the letter: "1E" is 10^18.
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view suffix = text.substr(static_cast<std::size_t>(stop - text.data()));
  for (const Suffix& s : kSuffixes) {
    if (s.text != suffix) continue;
    const double value = std::ceil(number * s.factor);
    // 2^63 itself does not fit; NaN fails the comparison.
    if (!(std::abs(value) < 9223372036854775808.0)) return std::nullopt;
    return static_cast<std::int64_t>(value);
  }
  return std::nullopt;
}

std::optional<std::int64_t> quantity_of(JsonReader& reader, JsonValue value) {
  const auto text = value.text();
  if (!text) return std::nullopt;
  const auto quantity = parse_quantity(*text);
  if (!quantity) reader.fail(fmt::format("\"{}\" is not a quantity", text->substr(0, 64)));
  return quantity;
}

model::ObjectMeta decode_meta(JsonReader& reader, JsonValue metadata) {
  model::ObjectMeta meta;
  meta.ns = text_or_empty(metadata["namespace"]);
  meta.name = text_or_empty(metadata["name"]);
  meta.uid = text_or_empty(metadata["uid"]);
  read_texts(metadata["labels"], meta.labels);
  read_texts(metadata["annotations"], meta.annotations);
  meta.creation_timestamp = time_of(reader, metadata["creationTimestamp"]);
  meta.deletion_timestamp = time_of(reader, metadata["deletionTimestamp"]);
  return meta;
}

model::ObjectMeta lean_meta(JsonReader& reader, JsonValue metadata) {
  model::ObjectMeta meta;
  meta.ns = text_or_empty(metadata["namespace"]);
  meta.name = text_or_empty(metadata["name"]);
  meta.creation_timestamp = time_of(reader, metadata["creationTimestamp"]);
  meta.deletion_timestamp = time_of(reader, metadata["deletionTimestamp"]);
  return meta;
}

Result<ObjectIdentity> decode_identity(JsonReader& reader, JsonValue object) {
  const JsonValue metadata = object["metadata"];
  ObjectIdentity identity{text_or_empty(metadata["namespace"]), text_or_empty(metadata["name"]),
                          text_or_empty(metadata["resourceVersion"])};
  if (auto complaint = reader.take_complaint()) return *complaint;
  if (identity.name.empty()) return Error(ErrorCode::kMalformed, "an object without metadata.name");
  if (identity.resource_version.empty()) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("{} has no metadata.resourceVersion", identity.name));
  }
  return identity;
}

}  // namespace keelwatch::sources
