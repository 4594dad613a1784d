// `keelwatch explain 'SERIES'`: what is behind a sample, or why there is none — the value and its
// age, the family's own words, the sources that were asked, and the facts of the objects that its
// labels name.
#pragma once

#include <string>
#include <string_view>

#include "app/step.h"
#include "base/result.h"

namespace keelwatch::app {

// SERIES is a family's name, or a name with labels in braces (`name{pod="pg-2"}`): every series
// that has these labels is explained. As text, or as JSON:
//   {"family":…,"type":…,"help":…,"series":[{"series":…,"value":…|"absent":…,"reason":…,"source":…,
//    "age_seconds":…}],"sources":[…],"instances":[…],"clusters":[…]}
// Errors: kInvalid (not a series), kNotFound (no such family, with the nearest one).
[[nodiscard]] Result<std::string> explain(const Moment& moment, std::string_view series, bool json);

}  // namespace keelwatch::app
