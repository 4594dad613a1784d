#include "base/host_port.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>

namespace keelwatch {

TEST_CASE("a host and its port are told apart", "[base]") {
  struct Case {
    const char* text;
    std::optional<HostPort> expected;
  };
  const Case cases[] = {
      {"pg.example.org:5432", HostPort{"pg.example.org", 5432}},
      {"10.0.0.1:1", HostPort{"10.0.0.1", 1}},
      {"[fd7a::1]:65535", HostPort{"fd7a::1", 65535}},
      {"", std::nullopt},
      {"pg", std::nullopt},
      {"pg:", std::nullopt},
      {":5432", std::nullopt},
      {"[]:5432", std::nullopt},
      {"pg:0", std::nullopt},
      {"pg:65536", std::nullopt},
      {"pg:5432x", std::nullopt},
      {"pg:-1", std::nullopt},
      {"fd7a::1:5432", std::nullopt},
      {"p g:5432", std::nullopt},
      {"h/x:5432", std::nullopt},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    CHECK(parse_host_port(c.text) == c.expected);
  }
  CHECK(host_port_text("fd7a::1", 5432) == "[fd7a::1]:5432");
  CHECK(host_port_text("pg", 5432) == "pg:5432");
}

}  // namespace keelwatch
