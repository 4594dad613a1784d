// keelwatch_filesystem_*: how full the databases' file systems are. A file system is identified by
// its claim or, on a machine without kubelet, by its path: always exactly one of the two labels.
// The path cannot stand in for a claim's name under its label, where it would join with objects
// that it is none of; and without it two tablespaces of one instance would be one series.
#include <array>

#include "collectors/collector.h"

namespace keelwatch::collectors {
namespace {

using metrics::Family;
using metrics::Type;

constexpr Family of_filesystem(std::string_view name, std::string_view help) {
  return Family(name, Type::kGauge, help,
                {"namespace", "cluster", "pod", "persistentvolumeclaim", "path", "role"});
}

constexpr Family kAvailable =
    of_filesystem("keelwatch_filesystem_available_bytes",
                  "Bytes that the database may still write to the file system of the claim, by the "
                  "kubelet of the "
                  "node that mounts it, or of the configured path; absent while that is unknown.");
constexpr Family kSize =
    of_filesystem("keelwatch_filesystem_size_bytes",
                  "Size of the file system of the claim or path; absent while it is unknown.");
constexpr Family kInodes = of_filesystem(
    "keelwatch_filesystem_inodes",
    "Inodes of the file system of the claim or path; absent where their number is not "
    "fixed, and while it is unknown.");
constexpr Family kInodesFree =
    of_filesystem("keelwatch_filesystem_inodes_free",
                  "Free inodes of the file system of the claim or path; absent where their number "
                  "is not fixed, and while it is unknown.");

constexpr std::array<const Family*, 4> kFamilies = {&kAvailable, &kSize, &kInodes, &kInodesFree};

void collect(const Input& input, metrics::Writer& writer) {
  for (const analysis::Filesystem& f : input.assessment.filesystems) {
    const std::initializer_list<std::string_view> labels = {f.ns,    f.cluster, f.pod,
                                                            f.claim, f.path,    f.role};
    const auto write = [&](const Family& family, auto model::FilesystemUsage::* number) {
      writer.write(family, labels,
                   f.usage.map([&](const model::FilesystemUsage& usage) { return usage.*number; }));
    };
    write(kAvailable, &model::FilesystemUsage::available_bytes);
    write(kSize, &model::FilesystemUsage::size_bytes);
    write(kInodes, &model::FilesystemUsage::inodes);
    write(kInodesFree, &model::FilesystemUsage::inodes_free);
  }
}

}  // namespace

const Collector& filesystem_collector() {
  static constexpr Collector collector{"filesystem", kFamilies, collect};
  return collector;
}

}  // namespace keelwatch::collectors
