// What a series that is not written any more has come to: its source may have fallen silent, and
// then nobody knows; else it has ended. An alert on the first is held, on the second it resolves.
// Threads: one. The Moment outlives this.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "app/step.h"
#include "base/labels.h"

namespace keelwatch::app {

class Silence {
 public:
  explicit Silence(const Moment& moment);

  // The source that would tell of the series (labels with __name__, some of them suffice) and is
  // silent now: "postgres default/pg-2". nullopt: none is, the series has ended. Where a whole kind
  // of object is not known, that is true of every series which that kind has a part in.
  [[nodiscard]] std::optional<std::string> source_of(const Labels& series) const;
  // The same, of facts only whose absence is told one by one, and of pages: beside others of their
  // family that are known.
  [[nodiscard]] std::optional<std::string> member_of(const Labels& series) const;

 private:
  [[nodiscard]] const metrics::Absent* find_absent(const Labels& series) const;
  [[nodiscard]] bool is_down(std::string_view source, const std::string& target) const;
  [[nodiscard]] std::optional<std::string> silent_instance(const Labels& series) const;
  [[nodiscard]] std::optional<std::string> silent_pooler(const Labels& series) const;
  [[nodiscard]] std::optional<std::string> silent_page(const Labels& series) const;

  const model::World& world_;
  std::unordered_map<std::string_view, std::vector<const metrics::Absent*>> absent_;  // by family
  std::multimap<std::string_view, const model::SourceReport*> down_;                  // by source
};

// A number for the set of targets that are asked, which changes when one is added or the API comes
// back; nullopt while a target's first attempt has not ended.
[[nodiscard]] std::optional<std::size_t> settled(const model::World& world);

}  // namespace keelwatch::app
