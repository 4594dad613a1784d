#include "analysis/failure_domains.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace keelwatch::analysis {
namespace {

// The failure with its domains numbered in alphabetical order.
struct Numbered {
  std::optional<std::size_t> domain;
  std::size_t needed = 0;
  std::vector<Numbered> parts;
};

Numbered numbered(const Failure& failure, const std::map<std::string, std::size_t>& numbers) {
  Numbered result;
  if (!failure.domain.empty()) {
    result.domain = numbers.at(failure.domain);
    return result;
  }
  result.needed = failure.needed;
  for (const Failure& part : failure.parts) result.parts.push_back(numbered(part, numbers));
  return result;
}

// Branch and bound. Whatever keeps the failure away now has to be hit by every further loss: each
// branch loses one domain of a smallest such set and keeps those of the branches before it.
class Search {
 public:
  Search(const Numbered& failure, std::size_t domains, std::uint64_t most_looks)
      : failure_(failure), states_(domains, State::kOpen), most_looks_(most_looks) {}

  // False: given up.
  bool run() {
    look();
    return looks_ <= most_looks_;
  }
  [[nodiscard]] const std::optional<std::vector<std::size_t>>& best() const { return best_; }
  [[nodiscard]] std::uint64_t looks() const { return looks_; }

 private:
  enum class State : char { kOpen, kLost, kKept };
  // Open domains, sorted: while none of them is lost, neither is what they keep. None: it is lost.
  using Keepers = std::optional<std::vector<std::size_t>>;

  Keepers keepers(const Numbered& part) const {
    if (part.domain) {
      if (states_[*part.domain] == State::kLost) return std::nullopt;
      if (states_[*part.domain] == State::kKept) return Keepers(std::in_place);
      return std::vector<std::size_t>{*part.domain};
    }
    if (part.needed > part.parts.size()) return Keepers(std::in_place);
    const std::size_t wanted = part.parts.size() - part.needed + 1;  // that must not fail
    std::vector<std::vector<std::size_t>> found;
    for (const Numbered& below : part.parts) {
      if (Keepers keeping = keepers(below)) found.push_back(*std::move(keeping));
    }
    if (found.size() < wanted) return std::nullopt;
    std::ranges::stable_sort(found, {}, &std::vector<std::size_t>::size);
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < wanted; ++i) {
      std::vector<std::size_t> merged;
      std::ranges::set_union(all, found[i], std::back_inserter(merged));
      all = std::move(merged);
    }
    return all;
  }

  // Whether more than `most` further losses are needed: one for each of the sets of keepers that
  // have no domain in common.
  bool needs_more_than(std::size_t most, const std::vector<std::size_t>& first) {
    std::vector<std::size_t> used;
    std::size_t sets = 0;
    Keepers next = first;
    while (next && !next->empty() && sets <= most) {
      ++sets;
      for (const std::size_t domain : *next) states_[domain] = State::kLost;
      used.insert(used.end(), next->begin(), next->end());
      next = keepers(failure_);
    }
    for (const std::size_t domain : used) states_[domain] = State::kOpen;
    return sets > most || next;  // what is kept by none that may be lost never fails
  }

  void look() {
    if (++looks_ > most_looks_) return;
    const Keepers keeping = keepers(failure_);
    if (!keeping) {
      best_ = lost_;  // every look is at fewer losses than the best
      return;
    }
    if (keeping->empty()) return;
    const std::size_t most = best_ ? best_->size() - 1 - lost_.size() : states_.size();
    if (needs_more_than(most, *keeping)) return;
    for (const std::size_t domain : *keeping) {
      if (best_ && lost_.size() + 1 >= best_->size()) break;
      states_[domain] = State::kLost;
      lost_.push_back(domain);
      look();
      lost_.pop_back();
      states_[domain] = State::kKept;
    }
    for (const std::size_t domain : *keeping) states_[domain] = State::kOpen;
  }

  const Numbered& failure_;
  std::vector<State> states_;
  std::vector<std::size_t> lost_;
  std::optional<std::vector<std::size_t>> best_;
  std::uint64_t most_looks_;
  std::uint64_t looks_ = 0;
};

void gather(const Failure& failure, Domains& out) {
  if (!failure.domain.empty()) out.insert(failure.domain);
  for (const Failure& part : failure.parts) gather(part, out);
}

}  // namespace

Failure loss_of(std::string domain) { return {std::move(domain), 0, {}}; }

Failure all_of(std::vector<Failure> parts) {
  const std::size_t count = parts.size();
  return at_least(count, std::move(parts));
}

Failure any_of(std::vector<Failure> parts) { return at_least(1, std::move(parts)); }

Failure at_least(std::size_t needed, std::vector<Failure> parts) {
  return {"", needed, std::move(parts)};
}

Failure happened() { return all_of({}); }

Failure impossible() { return any_of({}); }

bool happens(const Failure& failure, const Domains& lost) {
  if (!failure.domain.empty()) return lost.contains(failure.domain);
  const auto count = std::ranges::count_if(
      failure.parts, [&](const Failure& part) { return happens(part, lost); });
  return static_cast<std::size_t>(count) >= failure.needed;
}

Domains domains_of(const Failure& failure) {
  Domains domains;
  gather(failure, domains);
  return domains;
}

Failure with_domains(const Failure& failure,
                     const std::function<Failure(const std::string&)>& larger) {
  if (!failure.domain.empty()) return larger(failure.domain);
  Failure result{"", failure.needed, {}};
  for (const Failure& part : failure.parts) result.parts.push_back(with_domains(part, larger));
  return result;
}

Result<SmallestLoss> smallest_loss(const Failure& failure, std::uint64_t most_looks,
                                   std::uint64_t* looks) {
  const Domains domains = domains_of(failure);
  const std::vector<std::string> names(domains.begin(), domains.end());
  std::map<std::string, std::size_t> numbers;
  for (std::size_t i = 0; i < names.size(); ++i) numbers.emplace(names[i], i);
  const Numbered compact = numbered(failure, numbers);
  Search search(compact, names.size(), most_looks);
  const bool done = search.run();
  if (looks != nullptr) *looks = search.looks();
  if (!done) {
    return Error(ErrorCode::kTooLarge,
                 fmt::format("the smallest set of {} domains was not found within {} looks",
                             names.size(), most_looks));
  }
  SmallestLoss result;
  if (search.best()) {
    std::vector<std::size_t> best = *search.best();
    std::ranges::sort(best);
    result.domains.emplace();
    for (const std::size_t domain : best) result.domains->push_back(names[domain]);
  }
  return result;
}

}  // namespace keelwatch::analysis
