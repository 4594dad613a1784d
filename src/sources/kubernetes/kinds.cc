#include "sources/kubernetes/kinds.h"

#include <fmt/format.h>

#include "base/http_client.h"

namespace keelwatch::sources {

std::string resource_path(const KindInfo& kind, std::string_view ns) {
  std::string path = kind.group.empty() ? fmt::format("/api/{}", kind.version)
                                        : fmt::format("/apis/{}/{}", kind.group, kind.version);
  if (!ns.empty()) path += "/namespaces/" + percent_encode(ns);
  return path + "/" + std::string(kind.plural);
}

std::string resource_and_scope(const KindInfo& kind, std::string_view ns, std::string_view name) {
  std::string text(kind.plural);
  if (!kind.group.empty()) text += "." + std::string(kind.group);
  if (!name.empty()) text += fmt::format(" \"{}\"", name);
  return text + (ns.empty() ? " at the cluster scope" : fmt::format(" in namespace \"{}\"", ns));
}

}  // namespace keelwatch::sources
