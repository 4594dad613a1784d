// standin-kubelet: the stand-in of a kubelet's /metrics as a program, for the lab. Prints url= once
// it serves, and runs until SIGTERM or SIGINT.
#include <signal.h>

#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tests/standins/kubelet.h"

namespace {

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

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return text.str();
}

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

struct Arguments {
  keelwatch::standins::Kubelet::Options kubelet;
  std::vector<Volume> volumes;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  arguments.kubelet.port = 10250;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (i + 1 == argc) throw std::invalid_argument(name + ": unknown, or its value is missing");
    const std::string value = argv[++i];
    if (name == "--listen") {
      const auto colon = value.rfind(':');
      if (colon == std::string::npos) throw std::invalid_argument("--listen needs ADDRESS:PORT");
      arguments.kubelet.address = value.substr(0, colon);
      arguments.kubelet.port = static_cast<std::uint16_t>(std::stoi(value.substr(colon + 1)));
    } else if (name == "--tls-cert") {
      arguments.kubelet.tls.certificate_pem = contents_of(value);
    } else if (name == "--tls-key") {
      arguments.kubelet.tls.key_pem = contents_of(value);
    } else if (name == "--client-ca") {
      arguments.kubelet.tls.client_ca_pem = contents_of(value);
    } else if (name == "--token") {
      arguments.kubelet.token = value;
    } else if (name == "--token-file") {
      std::string token = contents_of(value);
      token.erase(token.find_last_not_of(" \r\n") + 1);
      arguments.kubelet.token = token;
    } else if (name == "--volume") {
      arguments.volumes.push_back(parse_volume(value));
    } else {
      throw std::invalid_argument(name + ": unknown");
    }
  }
  if (arguments.kubelet.tls.certificate_pem.empty() || arguments.kubelet.tls.key_pem.empty()) {
    throw std::invalid_argument("--tls-cert and --tls-key are needed");
  }
  return arguments;
}

void run(int argc, char** argv) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);  // before the server's thread starts
  signal(SIGPIPE, SIG_IGN);
  const Arguments arguments = parse(argc, argv);
  keelwatch::standins::Kubelet kubelet(arguments.kubelet);
  for (const Volume& v : arguments.volumes) kubelet.set_volume_path(v.ns, v.claim, v.path);
  std::cout << "url=" << kubelet.url() << std::endl;
  int signal_number = 0;
  sigwait(&stop, &signal_number);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--help") {
    std::cout << kUsage;
    return 0;
  }
  try {
    run(argc, argv);
    return 0;
  } catch (const std::invalid_argument& error) {
    std::cerr << "standin-kubelet: " << error.what() << "\n" << kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "standin-kubelet: " << error.what() << "\n";
    return 1;
  }
}
