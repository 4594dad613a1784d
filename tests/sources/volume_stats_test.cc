#include "sources/filesystem/volume_stats.h"

#include <catch2/catch.hpp>
#include <string>

#include "config/limits.h"

namespace keelwatch::sources {
namespace {

using Read = Result<std::vector<model::ClaimUsage>>;

Read read(std::string_view page) {
  VolumeStatsReader reader;
  const Result<void> fed = reader.feed(page);
  if (!fed) return fed.error();
  return std::move(reader).finish();
}

std::string line(const char* what, const char* claim, const char* value) {
  return std::string("kubelet_volume_stats_") + what +
         "{namespace=\"db\",persistentvolumeclaim=\"" + claim + "\"} " + value + "\n";
}

const std::string kType = "# TYPE kubelet_volume_stats_capacity_bytes gauge\n";

}  // namespace

TEST_CASE("volume statistics read as the kubelet writes them", "[filesystem]") {
  const Read claims =
      read(kType + line("available_bytes", "pg-1", "1.234567168e+09") +
           line("capacity_bytes", "pg-1", "1.0434699264e+10") + line("inodes", "pg-1", "655360") +
           line("inodes_free", "pg-1", "655000") + line("inodes_used", "pg-1", "360") +
           line("health_status_abnormal", "pg-1", "0"));
  REQUIRE(claims);
  REQUIRE(claims->size() == 1);
  CHECK((*claims)[0].usage.size_bytes == 10'434'699'264);
  CHECK((*claims)[0].usage.available_bytes == 1'234'567'168);
  CHECK((*claims)[0].usage.inodes_free == 655'000);
}

TEST_CASE("what a page does not say of a claim is not made up", "[filesystem]") {
  struct Case {
    const char* name;
    std::string page;
  };
  const Case cases[] = {
      {"no claim at all", kType},
      {"no size", kType + line("available_bytes", "a", "5")},
      {"no available bytes", kType + line("capacity_bytes", "a", "5")},
      {"size of zero",
       kType + line("capacity_bytes", "a", "0") + line("available_bytes", "a", "0")},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const Read claims = read(c.page);
    REQUIRE(claims);
    CHECK(claims->empty());
  }
}

TEST_CASE("of a claim that is there twice the fuller one counts", "[filesystem]") {
  const Read claims =
      read(kType + line("capacity_bytes", "a", "100") + line("available_bytes", "a", "40") +
           line("available_bytes", "a", "9") + line("available_bytes", "a", "50"));
  REQUIRE(claims);
  CHECK((*claims)[0].usage.available_bytes == 9);
}

TEST_CASE("a page that makes no sense is refused as a whole", "[filesystem]") {
  struct Case {
    const char* name;
    std::string page;
    ErrorCode code;
  };
  const std::string good = kType + line("capacity_bytes", "a", "100");
  const Case cases[] = {
      {"nothing", "", ErrorCode::kMalformed},
      {"a login form", "<html></html>\n", ErrorCode::kMalformed},
      {"ends within a number", good + "kubelet_volume_stats_available_bytes{} 12",
       ErrorCode::kMalformed},
      {"ends within a line of others", good + "go_goroutines 1", ErrorCode::kMalformed},
      {"no number", good + line("available_bytes", "a", "many"), ErrorCode::kMalformed},
      {"less than nothing", good + line("available_bytes", "a", "-1"), ErrorCode::kMalformed},
      {"not a number", good + line("available_bytes", "a", "NaN"), ErrorCode::kMalformed},
      {"infinitely many", good + line("available_bytes", "a", "+Inf"), ErrorCode::kMalformed},
      {"half a byte", good + line("available_bytes", "a", "0.5"), ErrorCode::kMalformed},
      {"an endless line", good + std::string(limits::kKubeletLineBytes + 1, 'x'),
       ErrorCode::kTooLarge},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const Read claims = read(c.page);
    REQUIRE_FALSE(claims);
    CHECK(claims.error().code() == c.code);
  }
}

TEST_CASE("an endless page ends at its bound, and little of it is kept", "[filesystem]") {
  VolumeStatsReader reader;
  std::string other;
  while (other.size() < limits::kMiB) other += "go_goroutines{a=\"b\"} 1\n";
  std::size_t fed = 0;
  Result<void> result;
  while ((result = reader.feed(other))) {
    fed += other.size();
    REQUIRE(fed <= limits::kKubeletPageBytes);
  }
  CHECK(result.error().code() == ErrorCode::kTooLarge);
}

}  // namespace keelwatch::sources
