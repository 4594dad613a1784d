// standin-kube-api: the stand-in of the Kubernetes API as a program, for the lab. Prints url=,
// admin=, token=, ca= (a file) once it serves, and runs until SIGTERM or SIGINT.
#include <signal.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/standins/kube_admin.h"
#include "tests/standins/kube_api.h"

namespace {

constexpr const char* kUsage =
    R"(usage: standin-kube-api [--port N] [--admin-port N] [--plain-http]
         [--tls-cert FILE --tls-key FILE --ca FILE]   else: own CA, written to --ca-out
         [--ca-out FILE] [--token TOKEN] [--token-out FILE] [--user NAME] [--history N]
         [--bookmark-seconds N] [--install GROUP|*]... [--load FILE]...
)";

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return text.str();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error(path + ": cannot be written");
}

struct Arguments {
  keelwatch::standins::KubeApi::Options api;
  std::uint16_t admin_port = 0;
  std::string ca_out;
  std::string token_out;
  std::vector<std::string> install;
  std::vector<std::string> load;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  keelwatch::standins::ServerTls tls;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--plain-http") {
      arguments.api.plain_http = true;
      continue;
    }
    if (i + 1 == argc) throw std::invalid_argument(name + ": unknown, or its value is missing");
    const std::string value = argv[++i];
    if (name == "--port") {
      arguments.api.port = static_cast<std::uint16_t>(std::stoi(value));
    } else if (name == "--admin-port") {
      arguments.admin_port = static_cast<std::uint16_t>(std::stoi(value));
    } else if (name == "--tls-cert") {
      tls.certificate_pem = contents_of(value);
    } else if (name == "--tls-key") {
      tls.key_pem = contents_of(value);
    } else if (name == "--ca") {
      arguments.api.ca_pem = contents_of(value);
    } else if (name == "--ca-out") {
      arguments.ca_out = value;
    } else if (name == "--token") {
      arguments.api.token = value;
    } else if (name == "--token-out") {
      arguments.token_out = value;
    } else if (name == "--user") {
      arguments.api.user = value;
    } else if (name == "--history") {
      arguments.api.history = std::stoul(value);
    } else if (name == "--bookmark-seconds") {
      arguments.api.bookmark_interval = std::chrono::seconds(std::stoi(value));
    } else if (name == "--install") {
      arguments.install.push_back(value);
    } else if (name == "--load") {
      arguments.load.push_back(value);
    } else {
      throw std::invalid_argument(name + ": unknown");
    }
  }
  if (!tls.certificate_pem.empty()) arguments.api.tls = tls;
  return arguments;
}

void run(int argc, char** argv) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);  // before the servers' threads start
  signal(SIGPIPE, SIG_IGN);
  const Arguments arguments = parse(argc, argv);
  keelwatch::standins::KubeApi api(arguments.api);
  for (const std::string& group : arguments.install) api.install_group(group);
  for (const std::string& path : arguments.load) {
    std::cerr << path << ": " << api.load_file(path) << " objects\n";
  }
  const keelwatch::standins::KubeAdminDoor admin(api, arguments.admin_port);
  if (!arguments.ca_out.empty()) write_file(arguments.ca_out, api.ca_pem());
  if (!arguments.token_out.empty()) write_file(arguments.token_out, api.token());
  std::cout << "url=" << api.url() << "\nadmin=" << admin.url() << "\ntoken=" << api.token()
            << "\nca=" << arguments.ca_out << std::endl;
  int signal_number = 0;
  sigwait(&stop, &signal_number);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
    return 0;
  } catch (const std::invalid_argument& error) {
    std::cerr << "standin-kube-api: " << error.what() << "\n" << kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "standin-kube-api: " << error.what() << "\n";
    return 1;
  }
}
