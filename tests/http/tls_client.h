// A blocking TLS client on a RawClient's socket.
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <type_traits>

#include "tests/http/raw_client.h"
#include "tests/support/certificates.h"

namespace keelwatch::http::testing {

template <auto parse, auto release>
auto from_pem(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  auto* made = parse(bio.get(), nullptr, nullptr, nullptr);
  return std::unique_ptr<std::remove_pointer_t<decltype(made)>, decltype(release)>(made, release);
}

class TlsClient {
 public:
  struct Options {
    // Who must have signed the server's certificate.
    const keelwatch::testing::CertificateAuthority* trust = nullptr;
    const keelwatch::testing::CertifiedKey* identity = nullptr;
    int max_version = 0;
  };

  TlsClient(const std::string& address, const Options& options)
      : socket_(address), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    if (options.trust != nullptr) {
      const auto authority = from_pem<PEM_read_bio_X509, X509_free>(options.trust->pem());
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority.get());
      SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    }
    if (options.identity != nullptr) {
      const auto& [certificate_pem, key_pem] = *options.identity;
      const auto certificate = from_pem<PEM_read_bio_X509, X509_free>(certificate_pem);
      const auto key = from_pem<PEM_read_bio_PrivateKey, EVP_PKEY_free>(key_pem);
      SSL_CTX_use_certificate(context_.get(), certificate.get());
      SSL_CTX_use_PrivateKey(context_.get(), key.get());
    }
    if (options.max_version != 0) {
      SSL_CTX_set_max_proto_version(context_.get(), options.max_version);
    }
    ssl_.reset(SSL_new(context_.get()), SSL_free);
    SSL_set_fd(ssl_.get(), socket_.fd());
    connected_ = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
  }

  // TLS 1.3 tells a client only after its handshake that its certificate is refused: ask something.
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] std::string version() const { return SSL_get_version(ssl_.get()); }
  [[nodiscard]] std::string cipher() const { return SSL_get_cipher_name(ssl_.get()); }
  [[nodiscard]] bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

  // Everything up to the end of the connection; empty when it was refused.
  std::string get(const std::string& path, const std::string& headers = {}) {
    const std::string text =
        "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n";
    if (!connected_ || SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) <= 0) {
      ERR_clear_error();
      return {};
    }
    std::string got;
    char chunk[65536];
    for (int n = 0; (n = SSL_read(ssl_.get(), chunk, sizeof chunk)) > 0;) {
      got.append(chunk, static_cast<std::size_t>(n));
    }
    clean_end_ = SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN;
    ERR_clear_error();
    return got;
  }
  [[nodiscard]] bool clean_end() const { return clean_end_; }  // close_notify, not a cut

 private:
  RawClient socket_;
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  bool connected_ = false;
  bool clean_end_ = false;
};

}  // namespace keelwatch::http::testing
