// Any text is either a web configuration or problems of it; and what it calls a hash never crashes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/basic_auth.h"
#include "http/web_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // A text naming files must not make the fuzzer read what it likes.
  if (text.find("_file") == std::string_view::npos) {
    const auto config = keelwatch::http::parse_web_config(text, "fuzz.yml");
    if (!config && config.error().message().empty()) std::abort();
    if (config) {
      for (const auto& [user, hash] : (*config)->users) {
        if (!keelwatch::http::bcrypt_cost(hash.reveal())) std::abort();
      }
    }
  }
  (void)keelwatch::http::parse_basic_credentials(text);
  return 0;
}
