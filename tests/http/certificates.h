// Keys and certificates made on the spot, so that no test depends on a date.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace keelwatch::http::testing {

struct Identity {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;
  std::string key_pem;
  std::string certificate_pem;
};

template <typename Write>
std::string to_pem(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

// Signed by `issuer`, or by itself. `san` is OpenSSL's form ("DNS:localhost,IP:127.0.0.1"); empty:
// a CA.
inline Identity make_identity(const std::string& name, const std::string& san,
                              const Identity* issuer = nullptr) {
  Identity made;
  made.key.reset(EVP_EC_gen("P-256"), EVP_PKEY_free);
  made.certificate.reset(X509_new(), X509_free);
  X509* c = made.certificate.get();
  static long serial = 1;
  X509_set_version(c, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(c), -3600);
  X509_gmtime_adj(X509_getm_notAfter(c), 3600);
  X509_set_pubkey(c, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(c, X509_get_subject_name(issuer ? issuer->certificate.get() : c));
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer ? issuer->certificate.get() : c, c, nullptr, nullptr, 0);
  const auto extend = [&](int nid, const std::string& value) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    X509_add_ext(c, e, -1);
    X509_EXTENSION_free(e);
  };
  extend(NID_basic_constraints, san.empty() ? "critical,CA:TRUE" : "CA:FALSE");
  if (!san.empty()) extend(NID_subject_alt_name, san);
  X509_sign(c, issuer ? issuer->key.get() : made.key.get(), EVP_sha256());
  made.key_pem = to_pem([&](BIO* bio) {
    PEM_write_bio_PrivateKey(bio, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  made.certificate_pem = to_pem([&](BIO* bio) { PEM_write_bio_X509(bio, c); });
  return made;
}

}  // namespace keelwatch::http::testing
