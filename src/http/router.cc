#include "http/router.h"

#include <utility>

namespace keelwatch::http {

void Router::add(std::string method, std::string path, Handler handler) {
  exact_[std::move(path)].insert_or_assign(std::move(method), std::move(handler));
}

void Router::add_prefix(std::string method, std::string prefix, Handler handler) {
  prefixes_[std::move(prefix)].insert_or_assign(std::move(method), std::move(handler));
}

std::variant<const Handler*, Response> Router::find(std::string_view method,
                                                    std::string_view path) const {
  const Methods* methods = nullptr;
  if (auto it = exact_.find(path); it != exact_.end()) {
    methods = &it->second;
  } else {
    for (const auto& [prefix, candidate] : prefixes_) {
      if (!path.starts_with(prefix)) continue;
      methods = &candidate;
      break;
    }
  }
  if (methods == nullptr) return Response::text(404, "404 page not found\n");
  auto it = methods->find(method);
  if (it == methods->end() && method == "HEAD") it = methods->find("GET");
  if (it != methods->end()) return &it->second;

  std::string allow;
  for (const auto& [name, handler] : *methods) {
    if (!allow.empty()) allow += ", ";
    allow += name;
    if (name == "GET" && !methods->contains("HEAD")) allow += ", HEAD";
  }
  Response r = Response::text(405, "405 method not allowed\n");
  r.headers.push_back({"Allow", std::move(allow)});
  return r;
}

}  // namespace keelwatch::http
