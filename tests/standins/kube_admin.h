// The admin door of the stand-in of the Kubernetes API for shell scripts: plain HTTP on a loopback
// port of its own, without authentication. GET /_admin/ prints the list of what it can do.
// Answers 200, 404 (no such object or path) or 400 with the reason as text.
#pragma once

#include <cstdint>
#include <string>

#include "tests/standins/http_server.h"
#include "tests/standins/kube_api.h"

namespace keelwatch::standins {

class KubeAdminDoor {
 public:
  // `api` outlives it. Port 0: any free one.
  explicit KubeAdminDoor(KubeApi& api, std::uint16_t port = 0);

  [[nodiscard]] std::string url() const { return server_.url(); }

 private:
  [[nodiscard]] ServerReply answer(const ServerRequest& request);

  KubeApi& api_;
  HttpServer server_;
};

}  // namespace keelwatch::standins
