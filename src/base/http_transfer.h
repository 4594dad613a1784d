// libcurl's multi handle on an EventLoop, and one transfer in it. Internal to HttpClient.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/http_client.h"
#include "base/http_target.h"

namespace keelwatch::internal {

class HttpTransfer;

// Drives any number of transfers with the loop's descriptors and one timer; keeps their connections
// and a few easy handles for reuse. Threads: the loop's. Shared by the client and its transfers.
class HttpMulti {
 public:
  explicit HttpMulti(EventLoop& loop);
  ~HttpMulti() { close(); }
  HttpMulti(const HttpMulti&) = delete;
  HttpMulti& operator=(const HttpMulti&) = delete;

  [[nodiscard]] EventLoop& loop() { return loop_; }
  [[nodiscard]] bool closed() const { return multi_ == nullptr; }

  // Ends all transfers with kCancelled and closes all connections.
  void close();

 private:
  friend class HttpTransfer;
  [[nodiscard]] CURL* take_handle();
  void give_back(CURL* easy);
  void add(HttpTransfer& transfer);
  void remove(HttpTransfer& transfer);

  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int on_timer(CURLM*, long timeout_ms, void* self);
  void act(curl_socket_t fd, int events);

  EventLoop& loop_;
  CURLM* multi_ = nullptr;
  EventLoop::Timer timer_;
  std::map<curl_socket_t, std::unique_ptr<EventLoop::FdWatch>> sockets_;
  std::set<HttpTransfer*> running_;
  std::vector<CURL*> idle_;
};

enum class BodyMode {
  kWhole,   // collected in response().body, up to the request's limit
  kStream,  // handed out by take_pieces(); pauses when too much waits
};

// One request and its response. Destroying it aborts it.
class HttpTransfer {
 public:
  HttpTransfer(std::shared_ptr<HttpMulti> multi, HttpRequest request, HttpTarget target,
               BodyMode mode);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // `addresses` are those of the target's dialled host; ignored for a unix socket.
  void start(const std::vector<IpAddress>& addresses);

  // Notified when the headers are in, when a piece of a stream has come, and at the end.
  [[nodiscard]] Signal& changed() { return changed_; }
  [[nodiscard]] bool has_headers() const { return has_headers_; }
  [[nodiscard]] bool finished() const { return finished_; }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }  // once finished
  [[nodiscard]] HttpResponse& response() { return response_; }

  // kStream: all that waits, and lets a paused transfer go on.
  [[nodiscard]] std::string take_pieces();
  [[nodiscard]] bool has_pieces() const { return !pieces_.empty(); }

  // The error of a deadline that passed just now; names the phase in which the transfer is.
  [[nodiscard]] Error timed_out() const;

 private:
  friend class HttpMulti;
  struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using List = std::unique_ptr<curl_slist, ListFree>;

  static void append(List& list, const std::string& line);
  void set_options(const std::vector<IpAddress>& addresses);
  void set_method();
  void set_headers();
  void set_credentials();
  void set_tls();
  void set_route(const std::vector<IpAddress>& addresses);

  static std::size_t on_header(char* data, std::size_t size, std::size_t n, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t n, void* self);
  static int on_connected_socket(void* self, curl_socket_t fd, curlsocktype);
  void take_header_line(std::string_view line);

  void on_done(CURLcode code);
  void end(std::optional<Error> error);
  [[nodiscard]] Error failure(CURLcode code) const;
  [[nodiscard]] std::string whom() const;
  [[nodiscard]] std::string connecting() const;

  std::shared_ptr<HttpMulti> multi_;
  const HttpRequest request_;  // libcurl points into it
  const HttpTarget target_;
  const BodyMode mode_;
  std::string addresses_;  // for error messages
  CURL* easy_ = nullptr;   // while running
  List headers_;
  List resolve_;
  List connect_to_;
  char curl_error_[CURL_ERROR_SIZE] = {};

  Signal changed_;
  HttpResponse response_;
  std::string pieces_;
  std::size_t header_bytes_ = 0;
  bool has_headers_ = false;
  bool finished_ = false;
  bool too_large_ = false;
  bool paused_ = false;
  std::optional<Error> error_;
};

}  // namespace keelwatch::internal
