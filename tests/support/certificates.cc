#include "tests/support/certificates.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <stdexcept>

namespace keelwatch::testing {
namespace {

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* p) const {
    free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;

void check(bool ok, const char* what) {
  if (ok) return;
  char reason[256];
  ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
  throw std::runtime_error(std::string(what) + ": " + reason);
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_X509(bio.get(), certificate) == 1, "write certificate");
  return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "write key");
  return text_of(bio.get());
}

Key new_key() {
  Key key(EVP_EC_gen("P-256"));
  check(key != nullptr, "make key");
  return key;
}

void add_name(X509* certificate, const char* field, const std::string& value) {
  if (value.empty()) return;
  check(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), field, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1,
                                   0) == 1,
        "subject name");
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  check(extension != nullptr, value.c_str());
  check(X509_add_ext(certificate, extension.get(), -1) == 1, "add extension");
}

Certificate new_certificate(EVP_PKEY* key, const CertificateOptions& options) {
  Certificate certificate(X509_new());
  check(certificate != nullptr, "make certificate");
  X509_set_version(certificate.get(), X509_VERSION_3);
  std::uint64_t serial = 0;
  check(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "serial");
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1U);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), options.not_before.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), options.not_after.count());
  check(X509_set_pubkey(certificate.get(), key) == 1, "public key");
  add_name(certificate.get(), "O", options.organization);
  add_name(certificate.get(), "CN", options.common_name);
  return certificate;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

}  // namespace

struct CertificateAuthority::Impl {
  Key key = new_key();
  Certificate certificate;
  std::string pem;
};

CertificateAuthority::CertificateAuthority(const std::string& common_name)
    : impl_(std::make_unique<Impl>()) {
  CertificateOptions options;
  options.common_name = common_name;
  impl_->certificate = new_certificate(impl_->key.get(), options);
  X509* self = impl_->certificate.get();
  check(X509_set_issuer_name(self, X509_get_subject_name(self)) == 1, "issuer name");
  add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(self, self, NID_subject_key_identifier, "hash");
  check(X509_sign(self, impl_->key.get(), EVP_sha256()) != 0, "sign");
  impl_->pem = pem_of(self);
}

CertificateAuthority::~CertificateAuthority() = default;

const std::string& CertificateAuthority::pem() const { return impl_->pem; }

CertifiedKey CertificateAuthority::issue(const CertificateOptions& options) const {
  const Key key = new_key();
  const Certificate certificate = new_certificate(key.get(), options);
  X509* issuer = impl_->certificate.get();
  check(X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) == 1, "issuer name");
  std::vector<std::string> names = options.other_names;
  for (const std::string& name : options.dns_names) names.push_back("DNS:" + name);
  for (const std::string& address : options.ip_addresses) names.push_back("IP:" + address);
  std::vector<std::string> usages;
  if (options.server) usages.emplace_back("serverAuth");
  if (options.client) usages.emplace_back("clientAuth");
  add_extension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), issuer, NID_ext_key_usage, joined(usages));
  add_extension(certificate.get(), issuer, NID_subject_alt_name, joined(names));
  check(X509_sign(certificate.get(), impl_->key.get(), EVP_sha256()) != 0, "sign");
  return {pem_of(certificate.get()), pem_of(key.get())};
}

CertifiedKey CertificateAuthority::issue_for_localhost() const {
  CertificateOptions options;
  options.common_name = "localhost";
  options.dns_names = {"localhost"};
  options.ip_addresses = {"127.0.0.1", "::1"};
  return issue(options);
}

void write_file(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error("open " + path);
  const bool whole = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  if (!whole) throw std::runtime_error("write " + path);
}

}  // namespace keelwatch::testing
