// One S3 server as the contract tests see it: the stand-in of tests/standins, or versitygw of the
// peers tier. A test is written once and runs on each:
//
//   const auto server = start_s3_server(GENERATE(from_range(s3_server_names())));
//
// s3_server_names() holds "stand-in", and "versitygw" with KEELWATCH_PEERS=1 in the environment;
// what that needs and does not find is said on stderr. Each handle is a server of its own, with
// empty buckets. Throws std::runtime_error when it cannot be had. Threads: one at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace keelwatch::testing {

class S3Server {
 public:
  virtual ~S3Server() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::string url() const = 0;
  // Objects of `bucket` are the files ROOT/bucket/key.
  [[nodiscard]] virtual std::string root() const = 0;
  [[nodiscard]] virtual std::string access_key() const = 0;
  [[nodiscard]] virtual std::string secret_key() const = 0;
};

[[nodiscard]] std::vector<std::string> s3_server_names();
[[nodiscard]] std::unique_ptr<S3Server> start_s3_server(const std::string& name);

}  // namespace keelwatch::testing
