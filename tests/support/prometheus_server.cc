#include "tests/support/prometheus_server.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/support/spawn.h"

namespace keelwatch::testing {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

// The port behind msg="Listening on" in the log; 0 while it is not there.
int port_in(const std::string& log) {
  const std::size_t line = log.find("msg=\"Listening on\"");
  if (line == log.npos) return 0;
  const std::string mark = "address=127.0.0.1:";
  const std::size_t at = log.find(mark, line);
  return at == log.npos ? 0 : std::atoi(log.c_str() + at + mark.size());
}

void varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// A length-delimited field.
void field(std::string& out, int number, std::string_view bytes) {
  varint(out, static_cast<std::uint64_t>(number) << 3 | 2);
  varint(out, bytes.size());
  out += bytes;
}

std::string encode(const RandomSeries& series) {
  std::string out;
  for (const LabelView label : series.labels) {
    std::string pair;
    field(pair, 1, label.name);
    field(pair, 2, label.value);
    field(out, 1, pair);
  }
  for (const Sample& sample : series.samples) {
    std::string point;
    varint(point, 1 << 3 | 1);  // double value
    const auto bits = std::bit_cast<std::uint64_t>(sample.value);
    for (int shift = 0; shift < 64; shift += 8) point += static_cast<char>(bits >> shift);
    varint(point, 2 << 3);  // int64 timestamp
    varint(point, static_cast<std::uint64_t>(sample.timestamp_ms));
    field(out, 2, point);
  }
  return out;
}

}  // namespace

std::string remote_write_body(std::span<const RandomSeries> series) {
  std::string request;
  for (const RandomSeries& one : series) field(request, 1, encode(one));
  constexpr std::size_t kLiteral = 1 << 16;
  std::string out;
  varint(out, request.size());
  for (std::size_t at = 0; at < request.size(); at += kLiteral) {
    const std::string_view piece = std::string_view(request).substr(at, kLiteral);
    out += static_cast<char>(61 << 2);  // a literal whose length - 1 follows in two bytes
    out += static_cast<char>((piece.size() - 1) & 0xFF);
    out += static_cast<char>((piece.size() - 1) >> 8);
    out += piece;
  }
  return out;
}

PrometheusServer::PrometheusServer(const std::string& program, std::vector<std::string> arguments) {
  std::string pattern = std::filesystem::temp_directory_path() / "keelwatch-prometheus.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  directory_ = pattern;
  std::ofstream(directory_ + "/prometheus.yml") << "scrape_configs: []\n";
  // The samples' time is fixed, and long ago: they must be kept all the same.
  arguments.insert(
      arguments.begin(),
      {program, "--config.file=" + directory_ + "/prometheus.yml",
       "--storage.tsdb.path=" + directory_ + "/data", "--storage.tsdb.retention.time=100y",
       "--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver"});
  pid_ = spawn(arguments, directory_ + "/log");
  try {
    wait_ready();
  } catch (...) {
    stop();
    throw;
  }
}

PrometheusServer::~PrometheusServer() { stop(); }

void PrometheusServer::stop() {
  // Nothing that it holds is wanted: no need to wait for its clean end.
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void PrometheusServer::wait_ready() {
  const auto give_up = steady_clock::now() + 60s;
  while (true) {
    port_ = port_in(log());
    if (port_ != 0) {
      HttpRequest request;
      request.url = url() + "/-/ready";
      request.deadline = loop_.after(5s);
      const auto response = loop_.block_on(http_.fetch(std::move(request)));
      if (response && response->status == 200) return;
    }
    if (kill(pid_, 0) != 0 || steady_clock::now() > give_up ||
        waitpid(pid_, nullptr, WNOHANG) == pid_) {
      throw std::runtime_error("Prometheus did not start:\n" + log());
    }
    std::this_thread::sleep_for(10ms);
  }
}

std::string PrometheusServer::log() const {
  std::ifstream file(directory_ + "/log");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

HttpResponse PrometheusServer::fetch(HttpRequest request) {
  request.method = "POST";
  request.deadline = loop_.after(60s);
  Result<HttpResponse> response = loop_.block_on(http_.fetch(std::move(request)));
  if (!response) throw std::runtime_error(response.error().message() + "\n" + log());
  return *std::move(response);
}

void PrometheusServer::write(std::span<const RandomSeries> series) {
  HttpRequest request;
  request.url = url() + "/api/v1/write";
  request.headers = {{"Content-Type", "application/x-protobuf"},
                     {"Content-Encoding", "snappy"},
                     {"X-Prometheus-Remote-Write-Version", "0.1.0"}};
  request.body = remote_write_body(series);
  const HttpResponse response = fetch(std::move(request));
  if (response.status != 204 && response.status != 200) {
    throw std::runtime_error("remote write: " + std::to_string(response.status) + " " +
                             response.body);
  }
}

HttpResponse PrometheusServer::post(const std::string& path, const std::string& form) {
  HttpRequest request;
  request.url = url() + path;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = form;
  return fetch(std::move(request));
}

}  // namespace keelwatch::testing
