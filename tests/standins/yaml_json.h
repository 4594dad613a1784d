// Objects in YAML, as people write them, for stand-ins that keep JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelwatch::standins {

// Every document of a YAML (or JSON) text as JSON; empty documents are left out. Plain scalars get
// the type that YAML 1.1 as Kubernetes reads it gives them. Throws std::runtime_error.
std::vector<std::string> json_documents(std::string_view text);

}  // namespace keelwatch::standins
