// An S3 server over a folder (s3_files.h): real signatures checked (s3_signature.h), path-style and
// virtual-host addressing, and everything that goes wrong with an object store, on command.
// barman-cloud-backup, -wal-archive, -restore and the rest of Debian's barman 3.4 and of
// barman 3.19 work through it. Threads: everything may be called from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/http_server.h"
#include "tests/standins/s3_signature.h"

namespace keelwatch::standins {

struct S3Fault {
  enum class Kind {
    kHang,      // accepts and never answers
    kDelay,     // answers after `delay`
    kError,     // an error of S3's: `status` and `code`
    kTruncate,  // the headers and half of the body, then a reset
    kHalf,      // half of the body in whole framing
    kGarbage,   // 200 with an HTML page
    kReset,     // the connection, at once
  };
  Kind kind = Kind::kHang;
  std::string method;       // empty: any
  std::string path_prefix;  // of /bucket/key, decoded; empty: any
  std::string parameter;    // of the query, that it must have; empty: any
  int times = -1;           // so many requests; -1: until it is cleared
  std::chrono::milliseconds delay{0};
  int status = 503;
  std::string code = "SlowDown";
};

class S3Store {
 public:
  struct Options {
    std::string root;  // made if missing
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: any free one
    std::optional<ServerTls> tls;
    S3Account account;
    std::string domain = "localhost";  // a Host of BUCKET.domain names the bucket
    std::string log_file;              // a line of method and target for each request
  };

  explicit S3Store(Options options);
  ~S3Store();
  S3Store(const S3Store&) = delete;
  S3Store& operator=(const S3Store&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::string root() const;

  void make_bucket(const std::string& bucket);
  void put(const std::string& bucket, const std::string& key, std::string_view data);
  void remove(const std::string& bucket, const std::string& key);
  // versioning, object-lock, lifecycle: what the server answers, "" for none; storage-classes:
  // lines of "CLASS PREFIX".
  void set_setting(const std::string& bucket, const std::string& name, std::string_view text);

  void set_fault(S3Fault fault);
  void clear_faults();
  // Behind the Date header and the check of the requests' time.
  void set_clock_skew(std::chrono::seconds skew);
  void set_account(S3Account account);

  // "GET /bucket/key?query", as sent, since the start or the last clear; at most 100,000.
  [[nodiscard]] std::vector<std::string> journal() const;
  void clear_journal();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::standins
