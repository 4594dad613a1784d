// What a TLS server needs to answer a handshake, built once per web configuration from exporter-
// toolkit's settings. Immutable; shared by the connections that were accepted under it.
//
// Sessions are not resumed (no tickets, no cache): a resumed session would skip the check of the
// client's certificate against what the file says now.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace keelwatch::http {

// Go's tls.ClientAuthType.
enum class ClientAuth {
  kNone,             // NoClientCert
  kRequest,          // RequestClientCert: asked for, not checked
  kRequireAny,       // RequireAnyClientCert: must be there, not checked
  kVerifyIfGiven,    // VerifyClientCertIfGiven
  kRequireAndVerify  // RequireAndVerifyClientCert
};

struct TlsSettings {
  std::string certificate_pem;  // with its chain
  Secret key_pem;
  std::string client_ca_pem;  // empty: the system's CAs, as Go does
  ClientAuth client_auth = ClientAuth::kNone;
  std::vector<std::string> client_allowed_sans;  // empty: any
  bool min_tls13 = false;
  bool max_tls12 = false;
  std::vector<std::string> cipher_suites;  // OpenSSL names, TLS 1.2; empty: ours
  std::vector<std::string> curves;         // OpenSSL names; empty: OpenSSL's
  bool prefer_server_ciphers = true;
};

class TlsContext {
 public:
  // Which setting a failure belongs to, so that the file's reader can point at it.
  enum class Part { kCertificate, kKey, kClientCa, kOther };
  struct Failure {
    Part part;
    std::string problem;
  };

  // Null and `failure` filled when OpenSSL refuses the material (not PEM, key of another
  // certificate, ...).
  [[nodiscard]] static std::shared_ptr<const TlsContext> make(const TlsSettings& settings,
                                                              Failure& failure);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Another reference to it: the receiver frees it with SSL_CTX_free.
  [[nodiscard]] ssl_ctx_st* share() const;

 private:
  struct Verification;
  TlsContext();

  ssl_ctx_st* context_ = nullptr;
  std::unique_ptr<Verification> verification_;
};

// Go's name of a TLS 1.2 suite ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256") as OpenSSL's, "" for one
// of TLS 1.3 (always on, as in Go). Errors: kUnsupported.
[[nodiscard]] Result<std::string> openssl_cipher_name(std::string_view go_name);
// "CurveP256", "X25519", ... Errors: kUnsupported.
[[nodiscard]] Result<std::string> openssl_curve_name(std::string_view go_name);
[[nodiscard]] Result<ClientAuth> parse_client_auth(std::string_view go_name);

// Every name the three functions take, for "did you mean".
[[nodiscard]] std::vector<std::string_view> known_cipher_names();
[[nodiscard]] std::vector<std::string_view> known_curve_names();
[[nodiscard]] std::vector<std::string_view> known_client_auth_names();

}  // namespace keelwatch::http
