#include "tests/standins/admin_door.h"

namespace keelwatch::standins {

AdminDoor::AdminDoor(std::uint16_t port, std::string_view usage, Answers answers)
    : usage_(usage),
      answers_(std::move(answers)),
      server_({"127.0.0.1", port, std::nullopt},
              [this](const ServerRequest& request, const std::shared_ptr<Exchange>& exchange) {
                try {
                  exchange->send(answer(request));
                } catch (const std::exception& error) {
                  exchange->send(admin_text(400, std::string(error.what()) + "\n"));
                }
              }) {}

ServerReply AdminDoor::answer(const ServerRequest& request) const {
  const std::string what = request.method + " " + request.path;
  if (what == "GET /_admin/") return admin_text(200, usage_);
  const auto it = answers_.find(what);
  if (it == answers_.end()) {
    return admin_text(404, "unknown; GET /_admin/ lists what there is\n");
  }
  return it->second(request);
}

ServerReply admin_text(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

std::string word(const ServerRequest& request, const std::string& name, std::string otherwise) {
  const auto it = request.query.find(name);
  return it == request.query.end() ? std::move(otherwise) : it->second;
}

int number(const ServerRequest& request, const std::string& name, int otherwise) {
  const std::string value = word(request, name);
  return value.empty() ? otherwise : std::stoi(value);
}

}  // namespace keelwatch::standins
