#include "tests/bench/promql/prometheus.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "base/http_client.h"
#include "base/json.h"

namespace keelwatch::bench {
namespace {

using namespace std::chrono_literals;

}  // namespace

Prometheus::Prometheus(std::string name, const std::string& program) : name_(std::move(name)) {
  if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("mkdtemp");
  std::ofstream(folder_ + "/config.yaml") << "global: {}\n";
  const std::string address = "127.0.0.1:" + std::to_string(free_port());
  process_ = std::make_unique<Process>(std::vector<std::string>{
      program, "--config.file=" + folder_ + "/config.yaml",
      "--storage.tsdb.path=" + folder_ + "/data", "--web.listen-address=" + address,
      "--web.enable-remote-write-receiver", "--log.level=error"});
  for (int tries = 0; tries < 600; ++tries, std::this_thread::sleep_for(50ms)) {
    try {
      http_ = std::make_unique<testing::RawHttp>(
          testing::RawHttp::Peer{.url = "http://" + address, .ca_pem = "", .bearer_token = ""},
          60s);
      if (http_->request("GET", "/-/ready").status == 200) return;
    } catch (const testing::RawHttpError&) {  // it does not listen yet
    }
  }
  throw std::runtime_error(name_ + " does not become ready");
}

Prometheus::~Prometheus() {
  process_.reset();
  std::filesystem::remove_all(folder_);
}

void Prometheus::add(const Labels& labels, std::span<const Sample> samples) {
  pending_.add(labels, samples);
  if (pending_.size() > 1'000'000) flush();
}

void Prometheus::flush() {
  if (pending_.size() == 0) return;
  const testing::RawResponse response =
      http_->request("POST", "/api/v1/write", pending_.take(), "application/x-protobuf");
  if (response.status / 100 != 2) {
    throw std::runtime_error(name_ + " refuses samples: " + response.body);
  }
}

Prometheus::Times Prometheus::query(const std::string& expression, std::int64_t at_ms) {
  const std::string target = "/api/v1/query?stats=all&time=" + std::to_string(at_ms / 1000) +
                             "&query=" + percent_encode(expression);
  const auto begin = std::chrono::steady_clock::now();
  answer_ = http_->request("GET", target).body;
  const std::chrono::duration<double, std::milli> http = std::chrono::steady_clock::now() - begin;
  JsonReader reader;
  const JsonValue root = reader.parse(answer_);
  const std::optional<double> seconds = root["data"]["stats"]["timings"]["evalTotalTime"].number();
  if (!reader.finish() || !seconds) {
    throw std::runtime_error(name_ + " answers " + answer_.substr(0, 500));
  }
  return {*seconds * 1e3, http.count()};
}

std::vector<double> Prometheus::values() {
  std::vector<double> values;
  JsonReader reader;
  const JsonValue root = reader.parse(answer_);
  root["data"]["result"].for_each([&](JsonValue series) {
    std::optional<std::string_view> text;
    series["value"].for_each([&](JsonValue part) {
      if (part.type() == JsonType::kString) text = part.string();
    });
    if (text) values.push_back(std::strtod(std::string(*text).c_str(), nullptr));
  });
  return values;
}

}  // namespace keelwatch::bench
