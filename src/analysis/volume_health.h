// The verdict on one volume: a part of storage.h with a file of its own.
#pragma once

#include "analysis/storage.h"

namespace keelwatch::analysis {

// What is the same for every volume of a World, looked up once.
class StorageFacts {
 public:
  explicit StorageFacts(const model::World& world);

  [[nodiscard]] WallTime now() const { return now_; }
  // Null: there is none, or nobody knows.
  [[nodiscard]] const model::VolumeAttachment* attachment(const std::string& volume) const;
  [[nodiscard]] const model::VolumeSnapshots* snapshots(const std::string& volume) const;
  [[nodiscard]] const model::VolumeBackups* backups(const std::string& volume) const;
  // nullopt: there is none of that name, or nobody knows.
  [[nodiscard]] std::optional<std::string> setting(std::string_view name,
                                                   std::string_view engine) const;
  [[nodiscard]] bool knows_settings() const { return slice_.longhorn_settings.is_known(); }
  [[nodiscard]] bool backups_are_taken() const { return backups_are_taken_; }

 private:
  WallTime now_;
  const model::KubernetesSlice& slice_;
  std::map<std::string_view, const model::VolumeAttachment*> attachments_;
  std::map<std::string_view, const model::VolumeSnapshots*> snapshots_;
  std::map<std::string_view, const model::VolumeBackups*> backups_;
  bool backups_are_taken_ = false;  // a target has a URL
};

// Unknown while the Volume says nothing of itself or its engine cannot be read, and of one that
// seems to be at rest while nobody knows the Pods.
[[nodiscard]] Observed<VolumeHealth> judge_volume(const PlacedVolume& volume,
                                                  const Observed<StorageNodes>& nodes,
                                                  const StorageFacts& facts,
                                                  StorageMemory::OfVolume& memory);

}  // namespace keelwatch::analysis
