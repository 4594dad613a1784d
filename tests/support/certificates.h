// X.509 certificates made at test time: authorities, servers, clients, expired ones. Everything is
// PEM text; write_file() puts it where a server wants files. EC P-256 keys: making one costs < 1
// ms. Failure: throws std::runtime_error with OpenSSL's reason.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace keelwatch::testing {

struct CertifiedKey {
  std::string certificate_pem;  // the leaf
  std::string key_pem;          // PKCS#8, not encrypted
};

struct CertificateOptions {
  std::string common_name = "test";
  std::vector<std::string> dns_names = {};
  std::vector<std::string> ip_addresses = {};  // numeric
  std::vector<std::string> other_names = {};   // as OpenSSL writes them: "email:a@b.example"
  std::string organization = {};               // a Kubernetes client's group
  // Validity relative to now; an expired one is {-2 h, -1 h}.
  std::chrono::seconds not_before = -std::chrono::hours(1);
  std::chrono::seconds not_after = std::chrono::hours(24);
  bool server = true;  // extended key usage
  bool client = true;
};

// A self-signed authority.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& common_name = "test authority");
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  [[nodiscard]] const std::string& pem() const;
  [[nodiscard]] CertifiedKey issue(const CertificateOptions& options) const;
  // For localhost, 127.0.0.1 and ::1.
  [[nodiscard]] CertifiedKey issue_for_localhost() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Mode 0600, as PostgreSQL and libpq want of keys.
void write_file(const std::string& path, const std::string& text);

}  // namespace keelwatch::testing
