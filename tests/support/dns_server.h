// A DNS server on 127.0.0.1 (UDP) with a table of answers; a name without an entry does not exist.
// Threads: one of its own; the table and the log may be used from any.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace keelwatch::testing {

struct DnsAnswer {
  enum class Kind { kAddresses, kNoSuchName, kServerFailure, kRefused, kSilence };
  Kind kind = Kind::kAddresses;
  std::vector<std::string> a;  // an empty list answers "no data"
  std::vector<std::string> aaaa;
  int ttl_seconds = 0;
};

class DnsServer {
 public:
  // Names in lower case, without a dot at the end. "*" answers all others.
  explicit DnsServer(std::map<std::string, DnsAnswer> answers);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  [[nodiscard]] std::string address() const;  // "127.0.0.1:PORT"
  void set(const std::string& name, DnsAnswer answer);
  // The questions so far, in order: "example.org A", "example.org AAAA".
  [[nodiscard]] std::vector<std::string> questions() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::testing
