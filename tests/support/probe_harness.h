// What tests of probes stand on: a target for a server of theirs, a loop to run one probe, and the
// ways a network can fail on loopback.
#pragma once

#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/resolver.h"
#include "base/task.h"
#include "base/tcp.h"
#include "discovery/endpoints.h"
#include "sources/endpoints/prober.h"

namespace keelwatch::testing {

// Deadlines that only a hang can miss, yet short enough to wait for.
[[nodiscard]] discovery::EndpointTarget probe_target(std::string host, int port, PgTarget login);

class ProbeBench {
 public:
  explicit ProbeBench(std::vector<std::string> dns_servers = {});

  [[nodiscard]] model::ProbeResult probe(const discovery::EndpointTarget& target);
  [[nodiscard]] sources::SourceContext context() { return {loop, resolver, http, clock, log}; }

  EventLoop loop;
  Resolver resolver;
  HttpClient http;
  SystemClock clock;
  Logger log;
};

// "connect ok, tls certificate_expired": the steps of the address, for assertions.
[[nodiscard]] std::string steps_of(const model::AddressProbe& address);
// The same of the whole probe, in one text.
[[nodiscard]] std::string steps_of(const model::ProbeResult& result);

// A port of 127.0.0.1 that answers no SYN, as a dropped packet would be: its backlog is full.
class BlackHole {
 public:
  BlackHole();
  [[nodiscard]] int port() const { return port_; }

 private:
  int port_ = 0;
  Descriptor listener_;
  std::vector<Descriptor> waiting_;
};

// Passes connections on to a port of 127.0.0.1, but swallows what the server sends in pieces of
// more than `largest` bytes, as a path with too small an MTU does. On the loop of the test.
class NarrowPath {
 public:
  NarrowPath(EventLoop& loop, int target, std::size_t largest);
  [[nodiscard]] int port() const { return port_; }

 private:
  Task<> serve();
  Task<> carry(Descriptor client);
  Task<> pass(int from, int to, bool narrow);

  EventLoop& loop_;
  int target_;
  std::size_t largest_;
  int port_ = 0;
  Descriptor listener_;
  TaskScope scope_;
};

// Open descriptors of this process.
[[nodiscard]] std::size_t open_descriptors();

}  // namespace keelwatch::testing
