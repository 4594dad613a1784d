// Where the API server is and how to log in to it: a kubeconfig file or the Pod's service account.
// Files are read again before every use, so that a rotated token, certificate or kubeconfig is
// picked up without a restart; what has not changed is not parsed again. Threads: the loop's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/http_client.h"
#include "base/result.h"
#include "base/secret.h"
#include "config/config.h"
#include "sources/source.h"

namespace keelwatch::sources {

// One way to the API server, ready for use.
struct ApiAccess {
  std::string server;  // "https://10.96.0.1:443", no trailing slash
  TlsOptions tls;
  std::optional<Secret> bearer_token;
  std::optional<std::pair<std::string, Secret>> basic_auth;
  std::string proxy_url;
};

// What a process finds around itself; tests give their own.
struct ProcessEnvironment {
  std::function<std::string(const char*)> variable;  // "" when unset
  std::string service_account_dir = "/var/run/secrets/kubernetes.io/serviceaccount";

  [[nodiscard]] static ProcessEnvironment real();
};

class Credentials {
 public:
  Credentials(SourceContext context, config::Kubernetes settings,
              ProcessEnvironment environment = ProcessEnvironment::real());
  ~Credentials();
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  // True if a kubeconfig is named or exists, or this is a Pod with a service account. Once true it
  // stays so: a credential that vanished is an error of current(), not "not set up".
  [[nodiscard]] bool set_up();
  // What to do about it when it is not.
  [[nodiscard]] static std::string how_to_set_up();

  // Errors: kInvalid (the files: file, line, problem), kNotFound (a file is missing),
  // kUnauthorized, kTimeout (an exec plugin failed), kUnsupported.
  [[nodiscard]] Task<Result<ApiAccess>> current(SteadyTime deadline);

  // The server answered 401: what was remembered (an exec plugin's token) must be got anew.
  void refused();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::sources
