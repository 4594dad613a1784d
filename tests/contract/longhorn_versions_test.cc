// The verdicts on one and the same storage, as each version of Longhorn writes it, with that
// version's own definitions where the server enforces them.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "analysis/storage.h"
#include "tests/contract/service_account.h"
#include "tests/support/world_builder.h"

namespace keelwatch::testing {
namespace {

namespace fs = std::filesystem;

// KEELWATCH_CRDS with Longhorn's definitions of one version only, while it lives.
class DefinitionsOf {
 public:
  explicit DefinitionsOf(const std::string& version) {
    const char* root = std::getenv("KEELWATCH_CRDS");
    if (root == nullptr) return;  // the stand-in needs none
    before_ = root;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (entry.path().filename().string().starts_with("longhorn-v" + version + ".")) {
        setenv("KEELWATCH_CRDS", entry.path().c_str(), 1);
        return;
      }
    }
    FAIL("no definitions of Longhorn " << version << " below " << root);
  }
  ~DefinitionsOf() {
    if (before_) setenv("KEELWATCH_CRDS", before_->c_str(), 1);
  }
  DefinitionsOf(const DefinitionsOf&) = delete;
  DefinitionsOf& operator=(const DefinitionsOf&) = delete;

 private:
  std::optional<std::string> before_;
};

std::string recorded(const std::string& version) {
  std::ifstream file(KEELWATCH_SOURCE_DIR "/tests/testdata/longhorn/" + version + ".json");
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Counts {
  std::size_t volumes = 0;
  std::size_t replicas = 0;
  std::size_t engines = 0;
};

bool has_arrived(const model::KubernetesSlice& s, const Counts& wanted) {
  const auto count = [](const auto& answer) {
    return answer.is_known() ? answer.known_value().size() : 0;
  };
  return count(s.longhorn_volumes) == wanted.volumes &&
         count(s.longhorn_replicas) == wanted.replicas &&
         count(s.longhorn_engines) == wanted.engines && count(s.longhorn_nodes) == 3 &&
         count(s.nodes) >= 3 && count(s.claims) >= 5 && count(s.volumes) >= 5 &&
         count(s.pods) >= 3 && count(s.longhorn_backups) == 2 && count(s.longhorn_settings) > 5 &&
         count(s.longhorn_attachments) >= 4 && count(s.longhorn_snapshots) == 2;
}

// "db/pg-1 ok (2 of 2 copies)\n" and so on.
std::string verdicts(const model::KubernetesSlice& slice) {
  model::Slices all;
  all.kubernetes = std::make_shared<const model::KubernetesSlice>(slice);
  const WallTime now = slice.longhorn_volumes.observed_at();
  model::Freshness patient;
  patient.kubernetes = std::chrono::hours(1);
  const model::World world = model::assemble(all, patient, now);
  analysis::VolumesMemory volumes;
  analysis::StorageMemory memory;
  const analysis::VolumeJoin join = analysis::find_volumes(world, volumes);
  const auto nodes = analysis::find_storage_nodes(*world.kubernetes);
  std::string text;
  for (const analysis::StorageVolume& volume :
       analysis::assess_storage(join, nodes, world, memory).volumes) {
    const auto* health = volume.health.if_known();
    text += volume.ns + "/" + volume.claim + " ";
    text += health == nullptr
                ? volume.health.why().error.message()
                : std::string(analysis::to_string(health->verdict)) + " (" + health->detail + ")";
    text += "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("the same storage has the same verdicts in every version of Longhorn",
          "[contract][longhorn]") {
  const std::string server_name = GENERATE(from_range(kube_server_names()));
  const std::string sharded = "media/wide detached (sharded: its copies are not counted)\n";
  for (const std::string version : {"1.5", "1.8", "1.11", "1.12"}) {
    INFO(version);
    const bool newest = version == "1.12";
    const Server server(server_name);
    server.api->uninstall("longhorn.io");
    const DefinitionsOf definitions(version);
    server.api->install("longhorn.io");
    const std::string text = recorded(version);
    JsonReader json;
    json.parse(text)["items"].for_each([&](JsonValue object) { server.api->put(object.raw()); });
    KubernetesReader reader = server.reader({});
    const Counts wanted{newest ? 5U : 4U, 8, 4};
    REQUIRE(reader.until([&](const auto& s) { return has_arrived(s, wanted); }));
    CHECK(verdicts(reader.slice()) ==
          "db/pg-1 ok (2 of 2 copies)\n"
          "db/pg-2 rebuilding (1 of 2 copies, rebuilding: 37 %)\n"
          "db/pg-3 detached (single copy, strict-local)\n"
          "media/library replica_unscheduled (2 of 3 copies, no disk takes another: insufficient "
          "storage;precheck new replica failed)\n" +
              (newest ? sharded : ""));
  }
}

}  // namespace keelwatch::testing
