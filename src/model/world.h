// World: one immutable snapshot of everything that the sources last said. A source that has not
// published yet is a null slice, which assemble() turns into unknowns.
#pragma once

#include <memory>
#include <string_view>

#include "base/clock.h"
#include "model/archive.h"
#include "model/endpoint.h"
#include "model/filesystem.h"
#include "model/kubernetes.h"
#include "model/pgbouncer.h"
#include "model/postgres.h"
#include "model/scrape.h"

namespace keelwatch::model {

// The newest published slice of each source; null before its first publish.
struct Slices {
  std::shared_ptr<const KubernetesSlice> kubernetes = nullptr;
  std::shared_ptr<const PostgresSlice> postgres = nullptr;
  std::shared_ptr<const PgBouncerSlice> pgbouncer = nullptr;
  std::shared_ptr<const FilesystemSlice> filesystems = nullptr;
  std::shared_ptr<const ScrapeSlice> scrapes = nullptr;
  std::shared_ptr<const ArchiveSlice> archives = nullptr;
  std::shared_ptr<const ProbeSlice> probes = nullptr;

  // Calls f(name, place) with the member of each source, a shared_ptr<const Slice> Slices::*.
  template <typename F>
  static void for_each(F&& f) {
    f(std::string_view("kubernetes"), &Slices::kubernetes);
    f(std::string_view("postgres"), &Slices::postgres);
    f(std::string_view("pgbouncer"), &Slices::pgbouncer);
    f(std::string_view("filesystems"), &Slices::filesystems);
    f(std::string_view("scrapes"), &Slices::scrapes);
    f(std::string_view("archives"), &Slices::archives);
    f(std::string_view("probes"), &Slices::probes);
  }

  // Takes over those that `news` has.
  void update(const Slices& news) {
    for_each([&](std::string_view /*name*/, auto place) {
      if (news.*place) this->*place = news.*place;
    });
  }
};

// After assemble() no slice is null.
struct World : Slices {
  WallTime at;  // when it was assembled
};

}  // namespace keelwatch::model
