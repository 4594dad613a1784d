// Exec credential plugins (client.authentication.k8s.io/v1 and v1beta1): a command of the user's
// that prints an ExecCredential with a token or a client certificate. It is run without blocking
// the loop, with no terminal, its stderr kept for the error message, and is killed at its deadline.
// Threads: the loop's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "base/secret.h"
#include "sources/kubernetes/kubeconfig.h"

namespace keelwatch::sources {

struct ExecCredential {
  Secret token;  // empty: none
  std::string certificate_pem;
  Secret key_pem;
  std::optional<WallTime> expires;  // nullopt: good until refused
};

// What KUBERNETES_EXEC_INFO tells the plugin where the user asked for it.
struct ExecClusterInfo {
  std::string server;
  std::string ca_pem;
  std::string tls_server_name;
  std::string proxy_url;
  bool skip_tls_verify = false;
};

// Errors: kNotFound (no such command; with the user's install hint), kUnauthorized (it failed: exit
// status and the last line of its stderr), kTimeout, kMalformed (what it printed).
[[nodiscard]] Task<Result<ExecCredential>> run_exec_plugin(EventLoop& loop, ExecPlugin plugin,
                                                           ExecClusterInfo cluster,
                                                           SteadyTime deadline);

// What the plugin printed.
[[nodiscard]] Result<ExecCredential> parse_exec_credential(std::string_view output,
                                                           std::string_view api_version);
// The text of KUBERNETES_EXEC_INFO.
[[nodiscard]] std::string exec_info(const ExecPlugin& plugin, const ExecClusterInfo& cluster);

}  // namespace keelwatch::sources
