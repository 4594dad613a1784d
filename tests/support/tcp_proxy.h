// A network in one hand: a port on 127.0.0.1 that passes every connection on to another one and can
// cut, freeze or refuse them. It sees bytes only, so TLS goes through untouched.
// Threads: one of its own; every method may be called from any. Throws std::runtime_error when it
// cannot listen. The destructor cuts everything at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace keelwatch::testing {

class TcpProxy {
 public:
  // Passes on to 127.0.0.1:target.
  explicit TcpProxy(std::uint16_t target);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const;

  // Resets every open connection. Returns how many; when it returns they are gone.
  std::size_t cut();
  // While frozen, bytes wait on both sides and connections are accepted without an answer.
  void freeze(bool frozen);
  // While refusing, new connections are reset; open ones stay.
  void refuse(bool refusing);

  // Pairs open now, and accepted so far.
  [[nodiscard]] std::size_t open() const;
  [[nodiscard]] std::size_t accepted() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch::testing
