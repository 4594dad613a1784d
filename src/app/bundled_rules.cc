#include "app/bundled_rules.h"

#include <string>

#include "http/embedded.h"

namespace keelwatch::app {

std::vector<SourceFile> bundled_rule_files() {
  std::vector<SourceFile> files;
  for (const http::EmbeddedFile& file : http::embedded_files()) {
    if (file.name.starts_with("rules/") && file.name.ends_with(".yaml")) {
      files.emplace_back(std::string(file.name), std::string(file.content));
    }
  }
  return files;
}

}  // namespace keelwatch::app
