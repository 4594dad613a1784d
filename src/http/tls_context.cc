#include "http/tls_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

namespace keelwatch::http {
namespace {

// Go's crypto/tls.CipherSuites(), which exporter-toolkit accepts by name.
constexpr std::pair<std::string_view, std::string_view> kCiphers[] = {
    {"TLS_AES_128_GCM_SHA256", ""},
    {"TLS_AES_256_GCM_SHA384", ""},
    {"TLS_CHACHA20_POLY1305_SHA256", ""},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

constexpr std::pair<std::string_view, std::string_view> kCurves[] = {
    {"CurveP256", "P-256"}, {"CurveP384", "P-384"}, {"CurveP521", "P-521"}, {"X25519", "X25519"}};

constexpr std::pair<std::string_view, ClientAuth> kClientAuths[] = {
    {"NoClientCert", ClientAuth::kNone},
    {"RequestClientCert", ClientAuth::kRequest},
    {"RequireClientCert", ClientAuth::kRequireAny},  // its name before Go 1.0, still accepted
    {"RequireAnyClientCert", ClientAuth::kRequireAny},
    {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", ClientAuth::kRequireAndVerify}};

constexpr const char* kDefaultCiphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:"
    "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA";

template <typename Table>
std::vector<std::string_view> names_of(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : table) names.push_back(name);
  return names;
}

template <auto Free>
struct Freeing {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
using BioPtr = std::unique_ptr<BIO, Freeing<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, Freeing<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;

BioPtr bio_of(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string last_problem(std::string_view otherwise) {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? std::string(otherwise) : std::string(reason);
}

std::vector<X509Ptr> read_certificates(std::string_view pem) {
  std::vector<X509Ptr> out;
  const BioPtr bio = bio_of(pem);
  while (X509* c = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) out.emplace_back(c);
  ERR_clear_error();  // the end of the text is reported as an error
  return out;
}

std::string as_text(const ASN1_STRING* s) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)),
          static_cast<std::size_t>(ASN1_STRING_length(s))};
}

// As Go prints it: dotted quad, or IPv6 in its shortest form.
std::string ip_text(const std::string& bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  if (bytes.size() == 4) inet_ntop(AF_INET, bytes.data(), text, sizeof text);
  if (bytes.size() == 16) inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

bool has_allowed_san(X509* certificate, const std::vector<std::string>& allowed) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool found = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type));
    std::string text;
    if (type == GEN_DNS || type == GEN_EMAIL || type == GEN_URI) text = as_text(value);
    if (type == GEN_IPADD) text = ip_text(as_text(value));
    found = found ||
            (!text.empty() && std::find(allowed.begin(), allowed.end(), text) != allowed.end());
  }
  GENERAL_NAMES_free(names);
  return found;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) out += (out.empty() ? "" : ":") + w;
  return out;
}

}  // namespace

struct TlsContext::Verification {
  bool chain = false;  // else any certificate will do
  std::vector<std::string> allowed_sans;

  // OpenSSL asks this instead of X509_verify_cert when a client has sent a certificate.
  static int check(X509_STORE_CTX* store, void* self) {
    const auto& v = *static_cast<const Verification*>(self);
    if (v.chain && X509_verify_cert(store) <= 0) return 0;
    X509* leaf = X509_STORE_CTX_get0_cert(store);
    if (v.allowed_sans.empty() || (leaf != nullptr && has_allowed_san(leaf, v.allowed_sans))) {
      X509_STORE_CTX_set_error(store, X509_V_OK);
      return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }
};

TlsContext::TlsContext() : verification_(std::make_unique<Verification>()) {}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

ssl_ctx_st* TlsContext::share() const {
  SSL_CTX_up_ref(context_);
  return context_;
}

std::shared_ptr<const TlsContext> TlsContext::make(const TlsSettings& settings, Failure& failure) {
  ERR_clear_error();
  const auto fail = [&failure](Part part, std::string problem) {
    failure = {part, std::move(problem)};
    return nullptr;
  };
  std::shared_ptr<TlsContext> made(new TlsContext());
  SSL_CTX* context = made->context_ = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return fail(Part::kOther, last_problem("no TLS context"));

  SSL_CTX_set_min_proto_version(context, settings.min_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, settings.max_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (settings.prefer_server_ciphers) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  const std::string ciphers =
      settings.cipher_suites.empty() ? kDefaultCiphers : join(settings.cipher_suites);
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    return fail(Part::kOther, "cipher_suites: " + last_problem("none usable"));
  }
  if (!settings.curves.empty() &&
      SSL_CTX_set1_groups_list(context, join(settings.curves).c_str()) != 1) {
    return fail(Part::kOther, "curve_preferences: " + last_problem("none usable"));
  }

  const auto chain = read_certificates(settings.certificate_pem);
  if (chain.empty()) return fail(Part::kCertificate, "no certificate in PEM form in it");
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    return fail(Part::kCertificate, last_problem("not usable"));
  }
  for (std::size_t i = 1; i < chain.size(); ++i) SSL_CTX_add1_chain_cert(context, chain[i].get());

  // The empty passphrase keeps OpenSSL from asking for one on the terminal.
  const BioPtr key_text = bio_of(settings.key_pem.reveal());
  const KeyPtr key(
      PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, const_cast<char*>("")));
  if (!key) {
    ERR_clear_error();
    return fail(Part::kKey, "no private key in PEM form without a passphrase in it");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return fail(Part::kKey, "it does not belong to the certificate");
  }

  if (settings.client_auth == ClientAuth::kNone) return made;
  if (settings.client_ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else {
    const auto authorities = read_certificates(settings.client_ca_pem);
    if (authorities.empty()) return fail(Part::kClientCa, "no certificate in PEM form in it");
    for (const X509Ptr& ca : authorities) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get());
      SSL_CTX_add_client_CA(context, ca.get());
    }
    // As in Go, what is in the file is trusted even if it is not self-signed.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
    ERR_clear_error();
  }
  const bool required = settings.client_auth == ClientAuth::kRequireAny ||
                        settings.client_auth == ClientAuth::kRequireAndVerify;
  made->verification_->chain = settings.client_auth == ClientAuth::kVerifyIfGiven ||
                               settings.client_auth == ClientAuth::kRequireAndVerify;
  made->verification_->allowed_sans = settings.client_allowed_sans;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  SSL_CTX_set_cert_verify_callback(context, &Verification::check, made->verification_.get());
  return made;
}

Result<std::string> openssl_cipher_name(std::string_view go_name) {
  for (const auto& [name, openssl] : kCiphers) {
    if (name == go_name) return std::string(openssl);
  }
  if (go_name.starts_with("TLS_RSA_WITH_") || go_name.find("_RC4_") != std::string_view::npos ||
      go_name.find("_3DES_") != std::string_view::npos || go_name.ends_with("_CBC_SHA256")) {
    return Error(ErrorCode::kUnsupported,
                 "cipher suite \"" + std::string(go_name) + "\" is insecure and not offered");
  }
  return Error(ErrorCode::kInvalid, "unknown cipher suite \"" + std::string(go_name) + "\"");
}

Result<std::string> openssl_curve_name(std::string_view go_name) {
  for (const auto& [name, openssl] : kCurves) {
    if (name == go_name) return std::string(openssl);
  }
  return Error(ErrorCode::kInvalid, "unknown curve \"" + std::string(go_name) + "\"");
}

Result<ClientAuth> parse_client_auth(std::string_view go_name) {
  for (const auto& [name, value] : kClientAuths) {
    if (name == go_name) return value;
  }
  return Error(ErrorCode::kInvalid, "unknown client_auth_type \"" + std::string(go_name) + "\"");
}

std::vector<std::string_view> known_cipher_names() { return names_of(kCiphers); }
std::vector<std::string_view> known_curve_names() { return names_of(kCurves); }
std::vector<std::string_view> known_client_auth_names() { return names_of(kClientAuths); }

}  // namespace keelwatch::http
