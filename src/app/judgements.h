// The verdicts of a Moment's analyses in words, for `explain`: what was judged, how, and by which
// evidence.
#pragma once

#include <string>
#include <vector>

#include "app/step.h"
#include "base/labels.h"

namespace keelwatch::app {

struct Judgement {
  std::string about;    // "standby default/pg-2"
  std::string verdict;  // "cut_off"; "unknown"
  std::string reason;   // one sentence, or empty
};

// Those about what the labels (namespace, cluster, pod, slot, role, component) speak of.
[[nodiscard]] std::vector<Judgement> find_judgements(const Moment& moment, const Labels& labels);

}  // namespace keelwatch::app
