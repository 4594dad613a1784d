// standin-kubelet: the stand-in of a kubelet's /metrics as a program, for the lab. Prints url= once
// it serves, and runs until SIGTERM or SIGINT.
#include "tests/standins/kubelet.h"

#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/standins/program.h"

namespace {

using keelwatch::standins::contents_into;
using keelwatch::standins::into;

constexpr const char* kUsage =
    R"(usage: standin-kubelet --tls-cert FILE --tls-key FILE [--listen ADDRESS:PORT] [--token TOKEN]
         [--token-file FILE] [--client-ca FILE] [--volume NAMESPACE/CLAIM=/PATH]...

  --listen      where to serve https://ADDRESS:PORT/metrics; 127.0.0.1:10250 by default, port 0: any
  --tls-cert    PEM, chain with the leaf first; keelwatch checks it with the cluster's CA
                (or filesystems.kubelet_ca) for ADDRESS or else for the node's name
  --token       the bearer token that is let in (others: 401); without it and --token-file everybody is
  --token-file  the same, from a file
  --client-ca   client certificates of this CA are let in, too
  --volume      a mounted claim: its numbers are those of statvfs(/PATH) at each request; a path that
                does not exist is left out of the page
)";

struct Volume {
  std::string ns;
  std::string claim;
  std::string path;
};

Volume parse_volume(const std::string& text) {
  const auto slash = text.find('/');
  const auto equals = text.find('=');
  if (slash == std::string::npos || equals == std::string::npos || slash > equals) {
    throw std::invalid_argument("--volume " + text + ": not NAMESPACE/CLAIM=/PATH");
  }
  return {text.substr(0, slash), text.substr(slash + 1, equals - slash - 1),
          text.substr(equals + 1)};
}

}  // namespace

int main(int argc, char** argv) {
  keelwatch::standins::Kubelet::Options options;
  options.port = 10250;
  std::vector<Volume> volumes;
  const auto listen = [&options](const std::string& value) {
    const auto colon = value.rfind(':');
    if (colon == std::string::npos) throw std::invalid_argument("--listen needs ADDRESS:PORT");
    options.address = value.substr(0, colon);
    into(options.port)(value.substr(colon + 1));
  };
  const auto token_file = [&options](const std::string& path) {
    options.token = keelwatch::standins::contents_of(path);
    options.token.erase(options.token.find_last_not_of(" \r\n") + 1);
  };
  const auto volume = [&volumes](const std::string& value) {
    volumes.push_back(parse_volume(value));
  };
  return keelwatch::standins::run_program(
      {"standin-kubelet",
       kUsage,
       {{"--listen", listen},
        {"--tls-cert", contents_into(options.tls.certificate_pem)},
        {"--tls-key", contents_into(options.tls.key_pem)},
        {"--client-ca", contents_into(options.tls.client_ca_pem)},
        {"--token", into(options.token)},
        {"--token-file", token_file},
        {"--volume", volume}}},
      argc, argv, [&](const auto& wait) {
        if (options.tls.certificate_pem.empty() || options.tls.key_pem.empty()) {
          throw std::invalid_argument("--tls-cert and --tls-key are needed");
        }
        keelwatch::standins::Kubelet kubelet(options);
        for (const Volume& v : volumes) kubelet.set_volume_path(v.ns, v.claim, v.path);
        std::cout << "url=" << kubelet.url() << std::endl;
        wait();
      });
}
