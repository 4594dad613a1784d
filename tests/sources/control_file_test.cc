#include "sources/object_store/control_file.h"

#include <catch2/catch.hpp>
#include <string>

#include "sources/object_store/crc32c.h"

namespace keelwatch::sources {
namespace {

std::string control_file(std::uint32_t version, std::size_t checksum_at) {
  std::string bytes(8192, '\0');
  const auto put = [&](std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(value >> 8 * i & 0xFF);
  };
  put(0, 42, 8);
  put(8, version, 4);
  put(48, 3, 4);
  put(252, 1, 4);
  put(checksum_at, crc32c(std::string_view(bytes).substr(0, checksum_at)), 4);
  return bytes;
}

}  // namespace

TEST_CASE("the control file of every supported PostgreSQL is read", "[object_store]") {
  struct Case {
    const char* of;
    std::uint32_t version;
    std::size_t checksum_at;
  };
  for (const Case& c : {Case{"13 to 16", 1300, 288}, {"17", 1700, 288}, {"18", 1800, 292}}) {
    INFO(c.of);
    const std::string bytes = control_file(c.version, c.checksum_at);
    const auto control = parse_control_file(bytes);
    REQUIRE(control);
    CHECK(control->system_id == 42);
    CHECK(control->timeline == 3);
    CHECK(control->data_checksums);
    std::string damaged = bytes;
    damaged[100] ^= 1;
    CHECK(parse_control_file(damaged).error().code() == ErrorCode::kMalformed);
    CHECK(parse_control_file(bytes.substr(0, c.checksum_at)).error().code() ==
          ErrorCode::kMalformed);
  }
  CHECK(parse_control_file(control_file(1201, 288)).error().code() == ErrorCode::kUnsupported);
}

}  // namespace keelwatch::sources
