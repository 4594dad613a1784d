// HTTP basic authentication against bcrypt hashes, as exporter-toolkit does it: an unknown user
// costs as much time as a known one.
//
// bcrypt takes tens of milliseconds on purpose, so verify() runs on a query worker; a success is
// remembered under a salted digest of (user, hash, password), which makes later requests cheap and
// forgets nothing dangerous: a changed hash is another key, a wrong password never enters.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace keelwatch::http {

struct Credentials {
  std::string user;
  Secret password;
};

// "Basic dXNlcjpwYXNz". nullopt: another scheme, not base64, no colon, or a NUL inside.
[[nodiscard]] std::optional<Credentials> parse_basic_credentials(std::string_view authorization);

using Users = std::map<std::string, Secret, std::less<>>;

// The hash that `user`'s password is compared with: an unknown user gets one that no password
// meets, of the same cost as the dearest known one.
[[nodiscard]] std::string hash_to_compare(const Users& users, std::string_view user);

// One bcrypt run; any thread. False on a hash that libxcrypt does not take.
[[nodiscard]] bool bcrypt_matches(std::string_view password, const std::string& hash);

// nullopt: not a bcrypt hash ("$2a$", "$2b$" or "$2y$", cost 4..31, 60 characters).
[[nodiscard]] std::optional<int> bcrypt_cost(std::string_view hash);

// One thread (the I/O thread). Holds at most kMaxRemembered; the oldest goes first.
class VerifiedCredentials {
 public:
  static constexpr std::size_t kMaxRemembered = 256;

  VerifiedCredentials();

  [[nodiscard]] bool contains(const Credentials& credentials, std::string_view hash) const;
  void remember(const Credentials& credentials, std::string_view hash);

 private:
  using Digest = std::array<unsigned char, 32>;
  [[nodiscard]] Digest digest(const Credentials& credentials, std::string_view hash) const;

  Digest salt_{};
  std::set<Digest> known_;
  std::deque<Digest> order_;
};

}  // namespace keelwatch::http
