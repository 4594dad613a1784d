// field("name", &T::member): every model struct lists its members once, in a static fields(with)
// that returns with(field(...), field(...), ...), and tapes, `explain` and tests encode and decode
// through that list. A member left out of it is lost on a tape, which the replay tests notice. It
// is a template so that only the codec compiles it.
#pragma once

#include <string_view>

namespace keelwatch::model {

template <typename Struct, typename Member>
struct Field {
  std::string_view name;
  Member Struct::* member;
};

template <typename Struct, typename Member>
constexpr Field<Struct, Member> field(std::string_view name, Member Struct::* member) {
  return {name, member};
}

}  // namespace keelwatch::model
