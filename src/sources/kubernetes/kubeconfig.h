// Kubeconfig files (client-go tools/clientcmd/api/v1/types.go): the one context that is used, with
// its cluster and user put together. Pure: files that it names are read by Credentials.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/diagnostics.h"
#include "base/result.h"
#include "base/secret.h"

namespace keelwatch::sources {

// PEM or token: given in place, or as a file whose path was resolved against the kubeconfig's
// folder. Both empty: not given.
struct KubeconfigData {
  Secret in_place;
  std::string file;
  std::string where;  // "FILE:LINE: users: admin: tokenFile", for errors about the file
};

struct ExecPlugin {
  std::string api_version;  // client.authentication.k8s.io/v1 or /v1beta1
  std::string command;      // a name is looked up in $PATH
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  std::string install_hint;
  bool provide_cluster_info = false;
};

struct Kubeconfig {
  std::string server;  // without trailing slash
  std::string proxy_url;
  std::string tls_server_name;
  bool skip_tls_verify = false;
  KubeconfigData ca;
  KubeconfigData client_certificate;
  KubeconfigData client_key;
  KubeconfigData token;
  std::string username;
  Secret password;
  std::optional<ExecPlugin> exec;
};

// `context` empty: current-context. Of several files (a $KUBECONFIG list) the first to define a
// name wins, as in kubectl; never an empty list. The sources should hide their text. Errors:
// kInvalid with FILE:LINE:COL; kUnsupported: an auth-provider, or an exec API version that is not
// known here.
[[nodiscard]] Result<Kubeconfig> parse_kubeconfig(const std::vector<SourceFile>& files,
                                                  const std::string& context);

}  // namespace keelwatch::sources
