// standin-s3: the S3 stand-in as a program, for the lab and for scripts. Prints url= and admin=
// once it serves, and runs until SIGTERM or SIGINT.
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/standins/program.h"
#include "tests/standins/s3_admin.h"
#include "tests/standins/s3_store.h"

namespace {

using keelwatch::standins::contents_into;
using keelwatch::standins::into;

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

}  // namespace

int main(int argc, char** argv) {
  keelwatch::standins::S3Store::Options options;
  keelwatch::standins::ServerTls tls;
  std::uint16_t admin_port = 0;
  std::vector<std::string> buckets;
  keelwatch::standins::S3Account& account = options.account;
  return keelwatch::standins::run_program(
      {"standin-s3",
       kUsage,
       {{"--root", [&options](const std::string& value) { options.root = value; }},
        {"--port", into(options.port)},
        {"--admin-port", into(admin_port)},
        {"--address", into(options.address)},
        {"--bucket", [&buckets](const std::string& value) { buckets.push_back(value); }},
        {"--access-key", into(account.access_key)},
        {"--secret-key", into(account.secret_key)},
        {"--session-token", into(account.session_token)},
        {"--region", into(account.region)},
        {"--domain", into(options.domain)},
        {"--log", [&options](const std::string& value) { options.log_file = value; }},
        {"--tls-cert", contents_into(tls.certificate_pem)},
        {"--tls-key", contents_into(tls.key_pem)}}},
      argc, argv, [&](const auto& wait) {
        if (options.root.empty()) throw std::invalid_argument("--root is needed");
        if (!tls.certificate_pem.empty()) options.tls = tls;
        keelwatch::standins::S3Store store(options);
        for (const std::string& bucket : buckets) store.make_bucket(bucket);
        const auto admin = keelwatch::standins::open_admin_door(store, account, admin_port);
        std::cout << "url=" << store.url() << "\nadmin=" << admin.url() << std::endl;
        wait();
      });
}
