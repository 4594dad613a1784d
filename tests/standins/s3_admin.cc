#include "tests/standins/s3_admin.h"

namespace keelwatch::standins {

namespace {

constexpr std::string_view kUsage =
    R"(POST   /_admin/fault?kind=hang|delay|error|truncate|half|garbage|reset
         [&method=GET][&prefix=/bucket/key][&parameter=list-type][&times=N][&delay_ms=N]
         [&status=503][&code=SlowDown]
DELETE /_admin/fault                            all of them
POST   /_admin/skew?seconds=N                   the server's clock
POST   /_admin/account?[access_key=][&secret_key=][&session_token=][&region=]
PUT    /_admin/setting?bucket=&name=versioning|object-lock|lifecycle|storage-classes
                                                body: what is answered; lines of "CLASS PREFIX"
GET    /_admin/requests                         method and target of each since the last clear
DELETE /_admin/requests
)";

ServerReply text(std::string body) { return admin_text(200, std::move(body)); }

S3Fault fault_of(const ServerRequest& request) {
  using Kind = S3Fault::Kind;
  S3Fault fault;
  fault.kind = one_of<Kind>(word(request, "kind"), {{"hang", Kind::kHang},
                                                    {"delay", Kind::kDelay},
                                                    {"error", Kind::kError},
                                                    {"truncate", Kind::kTruncate},
                                                    {"half", Kind::kHalf},
                                                    {"garbage", Kind::kGarbage},
                                                    {"reset", Kind::kReset}});
  fault.method = word(request, "method");
  fault.path_prefix = word(request, "prefix");
  fault.parameter = word(request, "parameter");
  fault.times = number(request, "times", -1);
  fault.delay = std::chrono::milliseconds(number(request, "delay_ms", 0));
  fault.status = number(request, "status", fault.status);
  fault.code = word(request, "code", fault.code);
  return fault;
}

std::string journal_of(const S3Store& store) {
  std::string lines;
  for (const std::string& line : store.journal()) lines += line + "\n";
  return lines;
}

}  // namespace

AdminDoor open_admin_door(S3Store& store, S3Account account, std::uint16_t port) {
  using Request = const ServerRequest&;
  AdminDoor::Answers answers;
  answers["POST /_admin/fault"] = [&store](Request request) {
    store.set_fault(fault_of(request));
    return text("set\n");
  };
  answers["DELETE /_admin/fault"] = [&store](Request) {
    store.clear_faults();
    return text("cleared\n");
  };
  answers["POST /_admin/skew"] = [&store](Request request) {
    store.set_clock_skew(std::chrono::seconds(number(request, "seconds", 0)));
    return text("set\n");
  };
  answers["POST /_admin/account"] = [&store,
                                     account = std::move(account)](Request request) mutable {
    account.access_key = word(request, "access_key", account.access_key);
    account.secret_key = word(request, "secret_key", account.secret_key);
    account.session_token = word(request, "session_token", account.session_token);
    account.region = word(request, "region", account.region);
    store.set_account(account);
    return text("set\n");
  };
  answers["PUT /_admin/setting"] = [&store](Request request) {
    store.set_setting(word(request, "bucket"), word(request, "name"), request.body);
    return text("set\n");
  };
  answers["GET /_admin/requests"] = [&store](Request) { return text(journal_of(store)); };
  answers["DELETE /_admin/requests"] = [&store](Request) {
    store.clear_journal();
    return text("cleared\n");
  };
  return {port, kUsage, std::move(answers)};
}

}  // namespace keelwatch::standins
