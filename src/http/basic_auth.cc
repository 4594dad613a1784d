#include "http/basic_auth.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "http/message.h"

namespace keelwatch::http {
namespace {

constexpr std::string_view kBcryptAlphabet =
    "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::size_t kBcryptLength = 60;

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string out;
  unsigned bits = 0;
  int held = 0;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  for (char c : text.substr(0, text.size() - padding)) {
    const auto digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<char>(bits >> held & 0xffU));
  }
  return out;
}

}  // namespace

std::optional<Credentials> parse_basic_credentials(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  if (!equals_ignoring_case(authorization.substr(0, space), "Basic")) return std::nullopt;
  const auto text = decode_base64(trim(authorization.substr(space + 1)));
  // crypt(3) would end the password at a NUL and so let a longer one pass.
  if (!text || text->find('\0') != std::string::npos) return std::nullopt;
  const auto colon = text->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return Credentials{text->substr(0, colon), Secret(text->substr(colon + 1))};
}

std::optional<int> bcrypt_cost(std::string_view hash) {
  if (hash.size() != kBcryptLength) return std::nullopt;
  const std::string_view prefix = hash.substr(0, 4);
  if (prefix != "$2a$" && prefix != "$2b$" && prefix != "$2y$") return std::nullopt;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!is_digit(hash[4]) || !is_digit(hash[5]) || hash[6] != '$') return std::nullopt;
  if (hash.find_first_not_of(kBcryptAlphabet, 7) != std::string_view::npos) return std::nullopt;
  const int cost = (hash[4] - '0') * 10 + (hash[5] - '0');
  if (cost < 4 || cost > 31) return std::nullopt;
  return cost;
}

std::string hash_to_compare(const Users& users, std::string_view user) {
  if (auto it = users.find(user); it != users.end()) return it->second.reveal();
  int cost = 4;
  for (const auto& [name, hash] : users) {
    cost = std::max(cost, bcrypt_cost(hash.reveal()).value_or(4));
  }
  std::string text = std::to_string(cost);
  if (text.size() < 2) text.insert(0, 1, '0');
  // A salt and a digest of all zero bits.
  return "$2b$" + text + "$" + std::string(kBcryptLength - 7, '.');
}

bool bcrypt_matches(std::string_view password, const std::string& hash) {
  if (!bcrypt_cost(hash)) return false;
  std::string phrase(password);
  const auto data = std::make_unique<crypt_data>();  // 32 KiB: too much for a small stack
  const char* made = crypt_r(phrase.c_str(), hash.c_str(), data.get());
  const bool equal = made != nullptr && std::strlen(made) == hash.size() &&
                     CRYPTO_memcmp(made, hash.data(), hash.size()) == 0;
  OPENSSL_cleanse(data.get(), sizeof *data);
  OPENSSL_cleanse(phrase.data(), phrase.size());
  return equal;
}

VerifiedCredentials::VerifiedCredentials() {
  // Without randomness nothing is remembered wrongly: an all-zero salt only weakens the digests.
  (void)RAND_bytes(salt_.data(), static_cast<int>(salt_.size()));
}

VerifiedCredentials::Digest VerifiedCredentials::digest(const Credentials& credentials,
                                                        std::string_view hash) const {
  std::string text = std::to_string(credentials.user.size()) + ":" + credentials.user;
  text += std::to_string(hash.size()) + ":";
  text.append(hash).append(credentials.password.reveal());
  Digest out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), salt_.data(), static_cast<int>(salt_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  OPENSSL_cleanse(text.data(), text.size());
  return out;
}

bool VerifiedCredentials::contains(const Credentials& credentials, std::string_view hash) const {
  return known_.contains(digest(credentials, hash));
}

void VerifiedCredentials::remember(const Credentials& credentials, std::string_view hash) {
  const Digest d = digest(credentials, hash);
  if (!known_.insert(d).second) return;
  order_.push_back(d);
  if (order_.size() > kMaxRemembered) {
    known_.erase(order_.front());
    order_.pop_front();
  }
}

}  // namespace keelwatch::http
