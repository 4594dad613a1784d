// A certificate authority made on the spot and a server certificate from it, for 127.0.0.1, ::1 and
// localhost, valid for a day. Throws std::runtime_error when OpenSSL fails.
#pragma once

#include <string>

namespace keelwatch::standins {

struct OwnCertificate {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

OwnCertificate make_own_certificate();

}  // namespace keelwatch::standins
