#include "tests/standins/s3_admin.h"

#include <initializer_list>
#include <stdexcept>

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

ServerReply text(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body), {}};
}

std::string word(const ServerRequest& request, const std::string& name,
                 std::string otherwise = "") {
  const auto it = request.query.find(name);
  return it == request.query.end() ? std::move(otherwise) : it->second;
}

int number(const ServerRequest& request, const std::string& name, int otherwise) {
  const std::string value = word(request, name);
  return value.empty() ? otherwise : std::stoi(value);
}

S3Fault::Kind kind_of(const std::string& text) {
  using Kind = S3Fault::Kind;
  for (const auto& [name, kind] :
       std::initializer_list<std::pair<const char*, Kind>>{{"hang", Kind::kHang},
                                                           {"delay", Kind::kDelay},
                                                           {"error", Kind::kError},
                                                           {"truncate", Kind::kTruncate},
                                                           {"half", Kind::kHalf},
                                                           {"garbage", Kind::kGarbage},
                                                           {"reset", Kind::kReset}}) {
    if (text == name) return kind;
  }
  throw std::invalid_argument("unknown kind \"" + text + "\"; GET /_admin/ lists them");
}

S3Fault fault_of(const ServerRequest& request) {
  S3Fault fault;
  fault.kind = kind_of(word(request, "kind"));
  fault.method = word(request, "method");
  fault.path_prefix = word(request, "prefix");
  fault.parameter = word(request, "parameter");
  fault.times = number(request, "times", -1);
  fault.delay = std::chrono::milliseconds(number(request, "delay_ms", 0));
  fault.status = number(request, "status", fault.status);
  fault.code = word(request, "code", fault.code);
  return fault;
}

}  // namespace

S3AdminDoor::S3AdminDoor(S3Store& store, S3Account account, std::uint16_t port)
    : store_(store),
      account_(std::move(account)),
      server_({"127.0.0.1", port, std::nullopt},
              [this](const ServerRequest& request, const std::shared_ptr<Exchange>& exchange) {
                try {
                  exchange->send(answer(request));
                } catch (const std::exception& error) {
                  exchange->send(text(400, std::string(error.what()) + "\n"));
                }
              }) {}

ServerReply S3AdminDoor::answer(const ServerRequest& request) {
  const std::string what = request.method + " " + request.path;
  if (what == "GET /_admin/") return text(200, std::string(kUsage));
  if (what == "POST /_admin/fault") {
    store_.set_fault(fault_of(request));
    return text(200, "set\n");
  }
  if (what == "DELETE /_admin/fault") {
    store_.clear_faults();
    return text(200, "cleared\n");
  }
  if (what == "POST /_admin/skew") {
    store_.set_clock_skew(std::chrono::seconds(number(request, "seconds", 0)));
    return text(200, "set\n");
  }
  if (what == "POST /_admin/account") {
    account_.access_key = word(request, "access_key", account_.access_key);
    account_.secret_key = word(request, "secret_key", account_.secret_key);
    account_.session_token = word(request, "session_token", account_.session_token);
    account_.region = word(request, "region", account_.region);
    store_.set_account(account_);
    return text(200, "set\n");
  }
  if (what == "PUT /_admin/setting") {
    store_.set_setting(word(request, "bucket"), word(request, "name"), request.body);
    return text(200, "set\n");
  }
  if (what == "GET /_admin/requests") {
    std::string lines;
    for (const std::string& line : store_.journal()) lines += line + "\n";
    return text(200, std::move(lines));
  }
  if (what == "DELETE /_admin/requests") {
    store_.clear_journal();
    return text(200, "cleared\n");
  }
  return text(404, "unknown; GET /_admin/ lists what there is\n");
}

}  // namespace keelwatch::standins
