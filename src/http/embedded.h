// Files built into the program: "page/style.css", "rules/replication.yaml",
// "rules/runbooks/KeelwatchStandbyCutOff.md". Immutable; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace keelwatch::http {

struct EmbeddedFile {
  std::string_view name;
  std::string_view content;
};

// By folder, sorted within.
[[nodiscard]] const std::vector<EmbeddedFile>& embedded_files();

[[nodiscard]] inline std::optional<std::string_view> embedded_file(std::string_view name) {
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.name == name) return file.content;
  }
  return std::nullopt;
}

}  // namespace keelwatch::http
