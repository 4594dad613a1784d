// A kubelet as far as its /metrics goes: HTTPS with a certificate of whatever authority, the bearer
// token checked as the API server's webhooks would (401 for a wrong one, 403 for one without the
// right nodes/metrics, in the kubelet's own words), and a page of a real one's shape: volume
// statistics between the rest, in its order and number format.
// Facts: Kubernetes pkg/kubelet/server/auth.go, server.go (InstallAuthFilter),
// pkg/kubelet/metrics/collectors/volume_stats.go.
// Threads: everything may be called from any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/standins/http_server.h"

namespace keelwatch::standins {

class Kubelet {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: any free one
    ServerTls tls;
    std::string token;            // that may read nodes/metrics; empty: everybody may
    std::string forbidden_token;  // known, and without that right
  };
  enum class Fault {
    kNone,
    kSilent,     // accepts and never answers
    kGarbage,    // 200 with a page of something else
    kTruncated,  // half a page, then a reset
    kCutLine,    // whole framing, and the last line is not whole
  };
  struct Volume {
    std::int64_t capacity = 0;
    std::int64_t available = 0;
    std::int64_t inodes = 0;
    std::int64_t inodes_free = 0;
  };

  explicit Kubelet(Options options);
  ~Kubelet();
  Kubelet(const Kubelet&) = delete;
  Kubelet& operator=(const Kubelet&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string url() const;
  [[nodiscard]] int requests() const;
  // What is on the page of that claim.
  void set_volume(const std::string& ns, const std::string& claim, Volume volume);
  // The same, measured by statvfs of the path at each request; a path that cannot be measured is
  // not on the page, as with a kubelet's volume that is gone.
  void set_volume_path(const std::string& ns, const std::string& claim, std::string path);
  void remove_volume(const std::string& ns, const std::string& claim);
  void set_fault(Fault fault);
  void set_token(std::string token);
  // Lines of other metrics around the volumes'; 0 by default.
  void set_other_lines(int lines);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::standins
