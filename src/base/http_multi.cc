#include <stdexcept>

#include "base/http_transfer.h"

namespace keelwatch::internal {
namespace {

constexpr std::size_t kIdleHandles = 8;
// Kept connections. libcurl's default, four per running transfer, forgets them between cycles.
constexpr long kIdleConnections = 64;

}  // namespace

HttpMulti::HttpMulti(EventLoop& loop)
    : loop_(loop),
      multi_(curl_multi_init()),
      timer_(loop, [this] { act(CURL_SOCKET_TIMEOUT, 0); }) {
  if (!multi_) throw std::runtime_error("curl_multi_init");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &HttpMulti::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &HttpMulti::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnections);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
}

void HttpMulti::close() {
  if (!multi_) return;
  while (!running_.empty()) {
    (*running_.begin())->end(Error(ErrorCode::kCancelled, "the HTTP client was stopped"));
  }
  for (CURL* easy : idle_) curl_easy_cleanup(easy);
  idle_.clear();
  curl_multi_cleanup(multi_);
  multi_ = nullptr;
  timer_.cancel();
  sockets_.clear();
}

CURL* HttpMulti::take_handle() {
  if (!idle_.empty()) {
    CURL* easy = idle_.back();
    idle_.pop_back();
    return easy;
  }
  CURL* easy = curl_easy_init();
  if (!easy) throw std::runtime_error("curl_easy_init");
  return easy;
}

void HttpMulti::give_back(CURL* easy) {
  if (!multi_ || idle_.size() >= kIdleHandles) {
    curl_easy_cleanup(easy);
    return;
  }
  curl_easy_reset(easy);  // options, credentials and callbacks of the last user
  idle_.push_back(easy);
}

void HttpMulti::add(HttpTransfer& transfer) {
  running_.insert(&transfer);
  curl_multi_add_handle(multi_, transfer.easy_);
}

void HttpMulti::remove(HttpTransfer& transfer) {
  if (running_.erase(&transfer) != 0) curl_multi_remove_handle(multi_, transfer.easy_);
}

int HttpMulti::on_socket(CURL*, curl_socket_t fd, int what, void* arg, void*) {
  auto* self = static_cast<HttpMulti*>(arg);
  if (what == CURL_POLL_REMOVE) {
    self->sockets_.erase(fd);
    return 0;
  }
  const Interest interest = what == CURL_POLL_INOUT ? Interest::kReadWrite
                            : what == CURL_POLL_IN  ? Interest::kRead
                            : what == CURL_POLL_OUT ? Interest::kWrite
                                                    : Interest::kNone;
  auto& watch = self->sockets_[fd];
  if (watch) {
    watch->set_interest(interest);
    return 0;
  }
  watch =
      std::make_unique<EventLoop::FdWatch>(self->loop_, fd, interest, [self, fd](Interest ready) {
        int events = 0;
        if (ready != Interest::kWrite) events |= CURL_CSELECT_IN;
        if (ready != Interest::kRead) events |= CURL_CSELECT_OUT;
        self->act(fd, events);
      });
  return 0;
}

int HttpMulti::on_timer(CURLM*, long timeout_ms, void* arg) {
  auto* self = static_cast<HttpMulti*>(arg);
  if (timeout_ms < 0) {
    self->timer_.cancel();
  } else {
    self->timer_.arm(self->loop_.after(std::chrono::milliseconds(timeout_ms)));
  }
  return 0;
}

void HttpMulti::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    void* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    static_cast<HttpTransfer*>(transfer)->on_done(code);
  }
}

}  // namespace keelwatch::internal
