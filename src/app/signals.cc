#include "app/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace keelwatch::app {

Signals::Signals(EventLoop& loop) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, &before_);
  fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
  watch_.emplace(loop, fd_, Interest::kRead, [this](Interest) { read_pending(); });
}

Signals::~Signals() {
  watch_.reset();
  close(fd_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Signals::on(int signal, std::function<void()> callback) {
  callbacks_[signal] = std::move(callback);
}

void Signals::read_pending() {
  signalfd_siginfo info;
  while (read(fd_, &info, sizeof info) == sizeof info) {
    const auto found = callbacks_.find(static_cast<int>(info.ssi_signo));
    if (found != callbacks_.end()) found->second();
  }
}

}  // namespace keelwatch::app
