// standin-kube-api: the stand-in of the Kubernetes API as a program, for the lab. Prints url=,
// admin=, token=, ca= (a file) once it serves, and runs until SIGTERM or SIGINT.
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/standins/kube_admin.h"
#include "tests/standins/kube_api.h"
#include "tests/standins/program.h"

namespace {

using keelwatch::standins::contents_into;
using keelwatch::standins::into;

constexpr const char* kUsage =
    R"(usage: standin-kube-api [--port N] [--admin-port N] [--plain-http]
         [--tls-cert FILE --tls-key FILE --ca FILE]   else: own CA, written to --ca-out
         [--ca-out FILE] [--token TOKEN] [--token-out FILE] [--user NAME] [--history N]
         [--bookmark-seconds N] [--install GROUP|*]... [--load FILE]...
)";

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error(path + ": cannot be written");
}

}  // namespace

int main(int argc, char** argv) {
  keelwatch::standins::KubeApi::Options options;
  keelwatch::standins::ServerTls tls;
  std::uint16_t admin_port = 0;
  std::string ca_out;
  std::string token_out;
  std::vector<std::string> install;
  std::vector<std::string> load;
  const auto bookmark_seconds = [&options](const std::string& value) {
    options.bookmark_interval = std::chrono::seconds(std::stoi(value));
  };
  return keelwatch::standins::run_program(
      {"standin-kube-api",
       kUsage,
       {{"--port", into(options.port)},
        {"--admin-port", into(admin_port)},
        {"--tls-cert", contents_into(tls.certificate_pem)},
        {"--tls-key", contents_into(tls.key_pem)},
        {"--ca", contents_into(options.ca_pem)},
        {"--ca-out", into(ca_out)},
        {"--token", into(options.token)},
        {"--token-out", into(token_out)},
        {"--user", into(options.user)},
        {"--history",
         [&options](const std::string& value) { options.history = std::stoul(value); }},
        {"--bookmark-seconds", bookmark_seconds},
        {"--install", [&install](const std::string& value) { install.push_back(value); }},
        {"--load", [&load](const std::string& value) { load.push_back(value); }}},
       {{"--plain-http", [&options] { options.plain_http = true; }}}},
      argc, argv, [&](const auto& wait) {
        if (!tls.certificate_pem.empty()) options.tls = tls;
        keelwatch::standins::KubeApi api(options);
        for (const std::string& group : install) api.install_group(group);
        for (const std::string& path : load) {
          std::cerr << path << ": " << api.load_file(path) << " objects\n";
        }
        const auto admin = keelwatch::standins::open_admin_door(api, admin_port);
        if (!ca_out.empty()) write_file(ca_out, api.ca_pem());
        if (!token_out.empty()) write_file(token_out, api.token());
        std::cout << "url=" << api.url() << "\nadmin=" << admin.url() << "\ntoken=" << api.token()
                  << "\nca=" << ca_out << std::endl;
        wait();
      });
}
