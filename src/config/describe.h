// The settings as text: for `describe config`, --help and the README.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace keelwatch::config {

// One setting of the table; a section or list has no default of its own.
struct SettingRow {
  std::string path;  // "postgres.clusters[].name"
  std::string type;  // "duration", "text", "file", "auto|on|off", ...
  std::string initial;
  std::string doc;  // one sentence
};

// Every setting in the order of the table.
[[nodiscard]] std::vector<SettingRow> setting_rows();

// A configuration as YAML with a comment above each setting; load() reads it back as it was. Lists
// that are empty show, commented out, what an item may hold.
[[nodiscard]] std::string to_yaml(const Config& config);

// A table: Setting, Type, Default, Meaning; of those whose path begins with `section`.
[[nodiscard]] std::string settings_markdown(std::string_view section = {});
[[nodiscard]] std::string settings_json();  // [{name,type,default,doc}]

}  // namespace keelwatch::config
