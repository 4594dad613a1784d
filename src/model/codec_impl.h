// How the model's structs become JSON and come back, by their fields() lists. For codec_*.cc only:
// one file per slice, because what these templates make of a slice takes long to compile.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/observed.h"
#include "base/time_text.h"
#include "model/codec.h"

namespace keelwatch::model::internal {

template <typename T>
concept HasFields = requires { T::fields([](const auto&...) {}); };

template <HasFields T>
void put(JsonWriter& out, const T& value);
template <typename T>
void put(JsonWriter& out, const std::vector<T>& v);
template <typename T>
void put(JsonWriter& out, const std::map<std::string, T>& v);

inline void put(JsonWriter& out, const std::string& v) { out.value(v); }
inline void put(JsonWriter& out, bool v) { out.value(v); }
inline void put(JsonWriter& out, std::int64_t v) { out.value(v); }
inline void put(JsonWriter& out, std::uint64_t v) { out.value(v); }
inline void put(JsonWriter& out, double v) { out.value(v); }
inline void put(JsonWriter& out, WallTime v) { out.value(format_rfc3339(v, 9)); }
inline void put(JsonWriter& out, Duration v) { out.value(v.count()); }
inline void put(JsonWriter& out, Lsn v) { out.value(to_string(v)); }
inline void put(JsonWriter& out, Reachability v) { out.value(to_string(v)); }
inline void put(JsonWriter& out, ProbePhase v) { out.value(to_string(v)); }
inline void put(JsonWriter& out, ProbeFault v) { out.value(to_string(v)); }
inline void put(JsonWriter& out, Hop v) { out.value(to_string(v)); }

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
  T::fields([&](const auto&... fields) {
    ((out.key(fields.name), put(out, value.*fields.member)), ...);
  });
  out.end_object();
}

// Why a text cannot be read. Functions that read return whether they could, and leave the reason
// here: a Result of every type on the way would be compiled for each.
class Problem {
 public:
  // Both return false, for a caller that gives up with them.
  bool expected(std::string_view what);
  bool within(std::string_view place);

  [[nodiscard]] Error take() { return *std::exchange(error_, std::nullopt); }

 private:
  std::optional<Error> error_;
};

bool read(JsonValue from, std::string& to, Problem& problem);
bool read(JsonValue from, bool& to, Problem& problem);
bool read(JsonValue from, std::int64_t& to, Problem& problem);
bool read(JsonValue from, std::uint64_t& to, Problem& problem);
bool read(JsonValue from, double& to, Problem& problem);
bool read(JsonValue from, WallTime& to, Problem& problem);
bool read(JsonValue from, Duration& to, Problem& problem);
bool read(JsonValue from, Lsn& to, Problem& problem);
bool read(JsonValue from, Reachability& to, Problem& problem);
bool read(JsonValue from, ProbePhase& to, Problem& problem);
bool read(JsonValue from, ProbeFault& to, Problem& problem);
bool read(JsonValue from, Hop& to, Problem& problem);
bool read_why(JsonValue from, Why& to, Problem& problem);

template <HasFields T>
bool read(JsonValue from, T& to, Problem& problem);
template <typename T>
bool read(JsonValue from, std::optional<T>& to, Problem& problem);
template <typename T>
bool read(JsonValue from, std::shared_ptr<const T>& to, Problem& problem);
template <typename T>
bool read(JsonValue from, std::vector<T>& to, Problem& problem);
template <typename T>
bool read(JsonValue from, std::map<std::string, T>& to, Problem& problem);
template <typename T>
bool read(JsonValue from, Observed<T>& to, Problem& problem);

template <typename T>
inline constexpr bool kIsObserved = false;
template <typename T>
inline constexpr bool kIsObserved<Observed<T>> = true;

// What a value is before it is read: an Observed, and so a struct with one, has no default.
template <typename T>
T blank() {
  if constexpr (kIsObserved<T>) {
    return T::unknown(Error(ErrorCode::kUnavailable, "not recorded"), "tape");
  } else if constexpr (std::is_default_constructible_v<T>) {
    return T{};
  } else {
    return T::fields([](const auto&... fields) {
      return T{blank<std::remove_cvref_t<decltype(std::declval<T>().*fields.member)>>()...};
    });
  }
}

template <HasFields T>
bool read(JsonValue from, T& to, Problem& problem) {
  return T::fields([&](const auto&... fields) {
    return ((read(from[fields.name], to.*fields.member, problem) || problem.within(fields.name)) &&
            ...);
  });
}

template <typename T>
bool read(JsonValue from, std::optional<T>& to, Problem& problem) {
  if (from.present()) return read(from, to.emplace(), problem);
  to.reset();
  return true;
}

template <typename T>
bool read(JsonValue from, std::shared_ptr<const T>& to, Problem& problem) {
  auto value = std::make_shared<T>(blank<T>());
  if (!read(from, *value, problem)) return false;
  to = std::move(value);
  return true;
}

template <typename T>
bool read(JsonValue from, std::vector<T>& to, Problem& problem) {
  bool good = true;
  from.for_each([&](JsonValue element) {
    if (!good) return;
    to.push_back(blank<T>());
    good = read(element, to.back(), problem) ||
           problem.within("[" + std::to_string(to.size() - 1) + "]");
  });
  return good;
}

template <typename T>
bool read(JsonValue from, std::map<std::string, T>& to, Problem& problem) {
  bool good = true;
  from.for_each_member([&](std::string_view key, JsonValue element) {
    if (!good) return;
    good = read(element, to[std::string(key)], problem) || problem.within(key);
  });
  return good;
}

template <typename T>
bool read(JsonValue from, Observed<T>& to, Problem& problem) {
  if (!from.present()) return true;  // of a tape from before this member: stays blank
  if (from["absent"].present()) {
    Why why{Absence::kUnknown, Error(ErrorCode::kUnavailable, ""), ""};
    if (!read_why(from, why, problem)) return false;
    to = Observed<T>::absent(std::move(why));
    return true;
  }
  WallTime at;
  T value = blank<T>();
  if (!read(from["at"], at, problem)) return problem.within("at");
  if (!read(from["value"], value, problem)) return problem.within("value");
  to = Observed<T>::known(std::move(value), at);
  return true;
}

template <typename T>
Result<T> decoded(JsonValue from) {
  T value = blank<T>();
  Problem problem;
  if (!read(from, value, problem)) return problem.take();
  return value;
}

}  // namespace keelwatch::model::internal
