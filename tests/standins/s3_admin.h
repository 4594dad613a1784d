// The admin door of the S3 stand-in for shell scripts: plain HTTP on a loopback port of its own,
// without authentication. GET /_admin/ prints the list of what it can do. Answers 200, 404 (no such
// path) or 400 with the reason as text.
#pragma once

#include <cstdint>
#include <string>

#include "tests/standins/http_server.h"
#include "tests/standins/s3_store.h"

namespace keelwatch::standins {

class S3AdminDoor {
 public:
  // `store` outlives it; the account is that of its options. Port 0: any free one.
  S3AdminDoor(S3Store& store, S3Account account, std::uint16_t port = 0);

  [[nodiscard]] std::string url() const { return server_.url(); }

 private:
  [[nodiscard]] ServerReply answer(const ServerRequest& request);

  S3Store& store_;
  S3Account account_;
  HttpServer server_;
};

}  // namespace keelwatch::standins
