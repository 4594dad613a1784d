// standin-s3: the S3 stand-in as a program, for the lab and for scripts. Prints url= and admin=
// once it serves, and runs until SIGTERM or SIGINT.
#include <signal.h>

#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/standins/s3_admin.h"
#include "tests/standins/s3_store.h"

namespace {

constexpr const char* kUsage =
    R"(usage: standin-s3 --root FOLDER [--port N] [--admin-port N] [--address ADDRESS]
         [--bucket NAME]... [--access-key KEY] [--secret-key KEY] [--session-token TOKEN]
         [--region REGION] [--domain NAME] [--log FILE] [--tls-cert FILE --tls-key FILE]

  --root        the object BUCKET/KEY is the file FOLDER/BUCKET/KEY
  --port        of http(s)://ADDRESS; any free one by default
  --admin-port  of the admin door: GET /_admin/ says what it can do
  --bucket      made if it is missing
  --access-key, --secret-key   AKIDKEELWATCH and keelwatch-standin-secret by default
  --domain      a Host of BUCKET.NAME names the bucket; localhost by default
  --log         a line of method and target for each request, appended
)";

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return text.str();
}

struct Arguments {
  keelwatch::standins::S3Store::Options store;
  std::uint16_t admin_port = 0;
  std::vector<std::string> buckets;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  keelwatch::standins::ServerTls tls;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (i + 1 == argc) throw std::invalid_argument(name + ": unknown, or its value is missing");
    const std::string value = argv[++i];
    if (name == "--root") {
      arguments.store.root = value;
    } else if (name == "--port") {
      arguments.store.port = static_cast<std::uint16_t>(std::stoi(value));
    } else if (name == "--admin-port") {
      arguments.admin_port = static_cast<std::uint16_t>(std::stoi(value));
    } else if (name == "--address") {
      arguments.store.address = value;
    } else if (name == "--bucket") {
      arguments.buckets.push_back(value);
    } else if (name == "--access-key") {
      arguments.store.account.access_key = value;
    } else if (name == "--secret-key") {
      arguments.store.account.secret_key = value;
    } else if (name == "--session-token") {
      arguments.store.account.session_token = value;
    } else if (name == "--region") {
      arguments.store.account.region = value;
    } else if (name == "--domain") {
      arguments.store.domain = value;
    } else if (name == "--log") {
      arguments.store.log_file = value;
    } else if (name == "--tls-cert") {
      tls.certificate_pem = contents_of(value);
    } else if (name == "--tls-key") {
      tls.key_pem = contents_of(value);
    } else {
      throw std::invalid_argument(name + ": unknown");
    }
  }
  if (arguments.store.root.empty()) throw std::invalid_argument("--root is needed");
  if (!tls.certificate_pem.empty()) arguments.store.tls = tls;
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
  keelwatch::standins::S3Store store(arguments.store);
  for (const std::string& bucket : arguments.buckets) store.make_bucket(bucket);
  const keelwatch::standins::S3AdminDoor admin(store, arguments.store.account,
                                               arguments.admin_port);
  std::cout << "url=" << store.url() << "\nadmin=" << admin.url() << std::endl;
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
    std::cerr << "standin-s3: " << error.what() << "\n" << kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "standin-s3: " << error.what() << "\n";
    return 1;
  }
}
