#include "model/codec.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/time_text.h"

namespace keelwatch::model {
namespace {

template <typename T>
concept HasFields = requires { T::fields(); };

// ---- encoding -----------------------------------------------------------------------------------

template <HasFields T>
void put(JsonWriter& out, const T& value);
template <typename T>
void put(JsonWriter& out, const std::vector<T>& v);
template <typename T>
void put(JsonWriter& out, const std::map<std::string, T>& v);

void put(JsonWriter& out, const std::string& v) { out.value(v); }
void put(JsonWriter& out, bool v) { out.value(v); }
void put(JsonWriter& out, std::int64_t v) { out.value(v); }
void put(JsonWriter& out, std::uint64_t v) { out.value(v); }
void put(JsonWriter& out, double v) { out.value(v); }
void put(JsonWriter& out, WallTime v) { out.value(format_rfc3339(v, 9)); }
void put(JsonWriter& out, Duration v) { out.value(v.count()); }
void put(JsonWriter& out, Lsn v) { out.value(to_string(v)); }
void put(JsonWriter& out, Reachability v) { out.value(to_string(v)); }

template <typename T>
void put(JsonWriter& out, const std::optional<T>& v) {
  if (v) {
    put(out, *v);
  } else {
    out.null();
  }
}

template <typename T>
void put(JsonWriter& out, const std::shared_ptr<const T>& v) {
  put(out, *v);
}

template <typename T>
void put(JsonWriter& out, const std::vector<T>& v) {
  out.begin_array();
  for (const T& element : v) put(out, element);
  out.end_array();
}

template <typename T>
void put(JsonWriter& out, const std::map<std::string, T>& v) {
  out.begin_object();
  for (const auto& [key, element] : v) {
    out.key(key);
    put(out, element);
  }
  out.end_object();
}

template <typename T>
void put(JsonWriter& out, const Observed<T>& v) {
  out.begin_object();
  if (const T* value = v.if_known()) {
    out.key("at");
    put(out, v.observed_at());
    out.key("value");
    put(out, *value);
  } else {
    const Why& why = v.why();
    out.member("absent", to_string(why.absence));
    out.member("code", to_string(why.error.code()));
    out.member("message", why.error.message());
    out.member("source", why.source);
  }
  out.end_object();
}

template <HasFields T>
void put(JsonWriter& out, const T& value) {
  out.begin_object();
  std::apply(
      [&](const auto&... fields) { ((out.key(fields.name), put(out, value.*fields.member)), ...); },
      T::fields());
  out.end_object();
}

// ---- decoding -----------------------------------------------------------------------------------

Error malformed(std::string_view what) { return {ErrorCode::kMalformed, std::string(what)}; }

template <typename T>
struct Get;

template <typename T>
Result<T> get(JsonValue value) {
  return Get<T>::from(value);
}

// A scalar that JSON has itself.
template <typename T, typename Read>
Result<T> scalar(JsonValue value, Read read, std::string_view expected) {
  const auto v = read(value);
  if (!v) return malformed("expected " + std::string(expected));
  return T(*v);
}

// A scalar written as text.
template <typename T, typename Parse>
Result<T> parsed(JsonValue value, Parse parse, std::string_view expected) {
  if (const auto text = value.string()) {
    if (const auto v = parse(*text)) return T(*v);
  }
  return malformed("expected " + std::string(expected));
}

template <>
struct Get<std::string> {
  static Result<std::string> from(JsonValue v) {
    if (!v.present()) return std::string();  // of a tape from before this member
    return scalar<std::string>(v, [](JsonValue j) { return j.string(); }, "a text");
  }
};
template <>
struct Get<bool> {
  static Result<bool> from(JsonValue v) {
    return scalar<bool>(v, [](JsonValue j) { return j.boolean(); }, "true or false");
  }
};
template <>
struct Get<std::int64_t> {
  static Result<std::int64_t> from(JsonValue v) {
    return scalar<std::int64_t>(v, [](JsonValue j) { return j.integer(); }, "an integer");
  }
};
template <>
struct Get<std::uint64_t> {
  static Result<std::uint64_t> from(JsonValue v) {
    const auto number = v.integer();
    if (!number || *number < 0) return malformed("expected a count");
    return static_cast<std::uint64_t>(*number);
  }
};
template <>
struct Get<double> {
  static Result<double> from(JsonValue v) {
    return scalar<double>(v, [](JsonValue j) { return j.number(); }, "a number");
  }
};
template <>
struct Get<WallTime> {
  static Result<WallTime> from(JsonValue v) {
    return parsed<WallTime>(v, [](std::string_view t) { return parse_rfc3339(t); }, "a time");
  }
};
template <>
struct Get<Duration> {
  static Result<Duration> from(JsonValue v) {
    return scalar<Duration>(v, [](JsonValue j) { return j.integer(); }, "nanoseconds");
  }
};
template <>
struct Get<Lsn> {
  static Result<Lsn> from(JsonValue v) {
    return parsed<Lsn>(v, [](std::string_view t) { return parse_lsn(t); }, "an LSN");
  }
};
template <>
struct Get<Reachability> {
  static Result<Reachability> from(JsonValue v) {
    return parsed<Reachability>(
        v, [](std::string_view t) { return parse_reachability(t); }, "a reachability");
  }
};

template <typename T>
struct Get<std::optional<T>> {
  static Result<std::optional<T>> from(JsonValue v) {
    if (!v.present()) return std::optional<T>();
    auto inner = get<T>(v);
    if (!inner) return std::move(inner).error();
    return std::optional<T>(std::move(*inner));
  }
};

template <typename T>
struct Get<std::shared_ptr<const T>> {
  static Result<std::shared_ptr<const T>> from(JsonValue v) {
    auto inner = get<T>(v);
    if (!inner) return std::move(inner).error();
    return std::shared_ptr<const T>(std::make_shared<const T>(std::move(*inner)));
  }
};

template <typename T>
struct Get<std::vector<T>> {
  static Result<std::vector<T>> from(JsonValue v) {
    std::vector<T> result;
    std::optional<Error> failed;
    v.for_each([&](JsonValue element) {
      if (failed) return;
      auto decoded = get<T>(element);
      if (decoded) {
        result.push_back(std::move(*decoded));
      } else {
        failed = decoded.error().context("[" + std::to_string(result.size()) + "]");
      }
    });
    if (failed) return *failed;
    return result;
  }
};

template <typename T>
struct Get<std::map<std::string, T>> {
  static Result<std::map<std::string, T>> from(JsonValue v) {
    std::map<std::string, T> result;
    std::optional<Error> failed;
    v.for_each_member([&](std::string_view key, JsonValue element) {
      if (failed) return;
      auto decoded = get<T>(element);
      if (decoded) {
        result.emplace(key, std::move(*decoded));
      } else {
        failed = decoded.error().context(key);
      }
    });
    if (failed) return *failed;
    return result;
  }
};

std::optional<Absence> parse_absence(std::string_view text) {
  for (const Absence a : {Absence::kUnknown, Absence::kNotInstalled, Absence::kNotSetUp}) {
    if (text == to_string(a)) return a;
  }
  return std::nullopt;
}

std::optional<ErrorCode> parse_code(std::string_view text) {
  for (const ErrorCode code : kAllErrorCodes) {
    if (text == to_string(code)) return code;
  }
  return std::nullopt;
}

template <typename T>
struct Get<Observed<T>> {
  static Result<Observed<T>> from(JsonValue v) {
    if (!v.present()) {
      return Observed<T>::unknown(Error(ErrorCode::kUnavailable, "not recorded"), "tape");
    }
    if (const auto absent = v["absent"].string()) {
      const auto absence = parse_absence(*absent);
      const auto code = parse_code(v["code"].string().value_or(""));
      if (!absence || !code) return malformed("expected a reason for the absence");
      return Observed<T>::absent({*absence,
                                  Error(*code, std::string(v["message"].string().value_or(""))),
                                  std::string(v["source"].string().value_or(""))});
    }
    auto at = get<WallTime>(v["at"]);
    if (!at) return at.error().context("at");
    auto value = get<T>(v["value"]);
    if (!value) return value.error().context("value");
    return Observed<T>::known(std::move(*value), *at);
  }
};

template <HasFields T>
struct Get<T> {
  static Result<T> from(JsonValue v) {
    return std::apply([&](const auto&... fields) { return from_fields(v, fields...); },
                      T::fields());
  }

 private:
  // T is built from all its members at once: an Observed has no default to start from.
  template <typename... Fields>
  static Result<T> from_fields(JsonValue v, const Fields&... fields) {
    std::optional<Error> failed;
    auto members = std::tuple{member(v, fields, failed)...};
    if (failed) return *failed;
    return std::apply([](auto&... m) { return T{std::move(*m)...}; }, members);
  }
  template <typename Member>
  static std::optional<Member> member(JsonValue v, const Field<T, Member>& f,
                                      std::optional<Error>& failed) {
    if (failed) return std::nullopt;
    auto decoded = get<Member>(v[f.name]);
    if (decoded) return std::move(*decoded);
    failed = decoded.error().context(f.name);
    return std::nullopt;
  }
};

}  // namespace

void encode(JsonWriter& out, const KubernetesSlice& slice) { put(out, slice); }
void encode(JsonWriter& out, const PostgresSlice& slice) { put(out, slice); }
void encode(JsonWriter& out, const PgBouncerSlice& slice) { put(out, slice); }
void encode(JsonWriter& out, const FilesystemSlice& slice) { put(out, slice); }
void encode(JsonWriter& out, const Cluster& cluster) { put(out, cluster); }
void encode(JsonWriter& out, const Pod& pod) { put(out, pod); }
void encode(JsonWriter& out, const Instance& instance) { put(out, instance); }
void encode(JsonWriter& out, const SourceReport& report) { put(out, report); }

Result<KubernetesSlice> decode_kubernetes_slice(JsonValue value) {
  return get<KubernetesSlice>(value);
}
Result<PostgresSlice> decode_postgres_slice(JsonValue value) { return get<PostgresSlice>(value); }
Result<PgBouncerSlice> decode_pgbouncer_slice(JsonValue value) {
  return get<PgBouncerSlice>(value);
}
Result<FilesystemSlice> decode_filesystem_slice(JsonValue value) {
  return get<FilesystemSlice>(value);
}

}  // namespace keelwatch::model
