// Base64 (RFC 4648 section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelwatch {

[[nodiscard]] std::string base64_encode(std::string_view bytes);

// Line breaks and spaces are skipped, as kubeconfig files wrap long values; padding may be missing.
// nullopt: any other character, or an impossible length.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

}  // namespace keelwatch
