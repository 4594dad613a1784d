#include "analysis/wal_chain.h"

#include <catch2/catch.hpp>
#include <random>
#include <stdexcept>

#include "tests/support/archive_builder.h"

using namespace keelwatch::testing;

namespace keelwatch::analysis {
namespace {

using model::Lsn;
using model::WalSegment;

const char* name(ChainStop stop) {
  constexpr const char* kNames[] = {"newest", "missing",    "damaged",
                                    "fatal",  "not proven", "abandoned"};
  return kNames[static_cast<std::size_t>(stop)];
}

// "1/7 newest 1/8": the last segment that was read, why it stopped and where.
std::string text(const Reach& reach) {
  const auto segment = [](WalSegment s) {
    return std::to_string(s.timeline) + "/" + std::to_string(s.number);
  };
  return (reach.last ? segment(*reach.last) : "none") + (reach.last_is_partial ? "p" : "") + " " +
         name(reach.stop) + " " + segment(reach.at) +
         (reach.passed_fork ? " past " + std::to_string(reach.passed_fork->timeline) : "");
}

std::string latest_from(const ArchiveBuilder& builder, std::int64_t start,
                        Proof proof = Proof::kListed, std::int64_t timeline = 1) {
  const model::WalArchive wal = builder.wal_archive();
  const WalChain chain(wal);
  const TargetTimeline target = chain.latest(timeline, inside(start), inside(start));
  if (!target.fatal.empty()) return target.fatal;
  return text(chain.reach(target, start, proof));
}

// --- One segment after the other, as PostgreSQL does it.

struct Naive {
  Lsn end{};
  std::string text;
};

Naive one_by_one(const ArchiveBuilder& b, const TargetTimeline& target, std::int64_t start,
                 Proof proof) {
  const auto fork = [&](std::size_t i) {
    return static_cast<std::int64_t>(target.path[i].begin.bytes /
                                     static_cast<std::uint64_t>(kSegment));
  };
  const auto has_partial = [&](WalSegment s) {
    return std::ranges::any_of(b.partials, [&](const auto& p) { return p.segment == s; });
  };
  const auto tail_of = [&](WalSegment s) -> std::optional<Lsn> {
    const auto found = std::ranges::find(b.tails, s, &model::WalTail::segment);
    return found == b.tails.end() ? std::nullopt : std::optional(found->end);
  };
  const auto is_proven = [&](WalSegment s) {
    if (proof == Proof::kListed) return true;
    return std::ranges::any_of(b.proofs, [&](const model::WalProof& p) {
      return p.timeline == s.timeline && p.first <= s.number && s.number <= p.last &&
             (proof == Proof::kHeader || p.by == "deep");
    });
  };
  const auto listed_behind = [&](std::int64_t timeline, std::int64_t number) {
    for (std::int64_t n = number + 1; n < 100; ++n) {
      if (b.segments.contains({timeline, n}) || has_partial({timeline, n})) return true;
    }
    return false;
  };
  Reach reach;
  bool cut = false;
  std::int64_t current = 0;
  std::int64_t n = start;
  reach.end = model::wal_segment_begin({1, n}, kSegment);
  const auto finish = [&](ChainStop why, WalSegment at) {
    reach.stop = why;
    reach.at = at;
    return Naive{reach.end, text(reach)};
  };
  const auto follow_tail = [&](std::size_t i, std::int64_t number) {
    const WalSegment segment{target.path[i].timeline, number};
    std::optional<Lsn> end = tail_of(segment);
    if (!end || cut) return false;
    if (i > 0 && fork(i - 1) <= number) end = std::min(*end, target.path[i - 1].begin);
    if (*end <= reach.end) return false;
    reach.end = *end;
    reach.last = segment;
    return true;
  };
  for (;; ++n) {
    std::optional<std::size_t> used;
    std::optional<std::size_t> asked_first;
    std::optional<WalSegment> excuse;
    bool later = false;
    for (std::size_t i = 0; i < target.path.size() && !used; ++i) {
      const std::int64_t timeline = target.path[i].timeline;
      if (timeline < current) break;
      later = later || listed_behind(timeline, n);
      if (i + 1 < target.path.size() && n < fork(i)) continue;
      if (!asked_first) asked_first = i;
      const WalSegment segment{timeline, n};
      const bool whole = b.segments.contains(segment);
      if (!whole && !has_partial(segment)) continue;
      const auto fault = std::ranges::find(b.faults, segment, &model::WalFault::segment);
      if (fault != b.faults.end()) {
        if (fault->kind == "wrong_size") return finish(ChainStop::kFatal, segment);
        if (fault->kind == "magic") {
          follow_tail(i, n);
          return finish(ChainStop::kDamaged, segment);
        }
        if (!excuse) excuse = segment;
      } else if (whole) {
        used = i;
      } else {
        const bool read = tail_of(segment).has_value();
        if (!read && (proof != Proof::kListed || cut)) {
          return finish(ChainStop::kNotProven, segment);
        }
        const bool forks = i > 0 && fork(i - 1) == n;
        if (!read) {
          reach.last = segment;
          if (forks) reach.end = target.path[i - 1].begin;
        }
        reach.last_is_partial = !read || follow_tail(i, n);
        bool more = false;
        for (std::size_t k = 0; k <= i; ++k)
          more = more || listed_behind(target.path[k].timeline, n);
        return finish(more ? ChainStop::kMissing : ChainStop::kNewest,
                      {target.path[forks ? i - 1 : i].timeline, n});
      }
    }
    if (!used) {
      if (excuse) return finish(ChainStop::kDamaged, *excuse);
      return finish(later ? ChainStop::kMissing : ChainStop::kNewest,
                    {target.path[*asked_first].timeline, n});
    }
    const WalSegment segment{target.path[*used].timeline, n};
    if (*used > 0 && n >= fork(*used - 1)) {
      bool newer = false;
      for (std::size_t k = 0; k < *used; ++k)
        newer = newer || listed_behind(target.path[k].timeline, n);
      if (newer) {
        if (!is_proven(segment)) {
          follow_tail(*used, n);
        } else if (!cut) {
          reach.end = target.path[*used - 1].begin;
        }
        return finish(ChainStop::kAbandoned, {target.path[*used - 1].timeline, n});
      }
      if (!reach.passed_fork) reach.passed_fork = target.path[*used - 1];
    }
    if (!is_proven(segment) && follow_tail(*used, n)) {
      current = segment.timeline;
      cut = true;
      continue;
    }
    if (!is_proven(segment) || cut) return finish(ChainStop::kNotProven, segment);
    current = segment.timeline;
    reach.last = segment;
    reach.end = model::wal_segment_end(segment, kSegment);
  }
}

ArchiveBuilder random_archive(std::mt19937& random) {
  const auto below = [&](int bound) {
    return std::uniform_int_distribution<std::int64_t>(0, bound - 1)(random);
  };
  ArchiveBuilder b;
  const std::int64_t timelines = 1 + below(3);
  const int holes = static_cast<int>(below(4));
  std::vector<model::TimelineSwitch> switches;
  std::int64_t from = below(3);
  for (std::int64_t t = 1; t <= timelines; ++t) {
    const std::int64_t to = from + below(10);
    if (below(6) != 0) b.wal(t, from, to);
    for (int i = 0; i < holes; ++i) b.without(t, from + below(12));
    if (below(3) == 0) b.partial(t, from + below(12));
    for (std::int64_t number = from; number < from + 12; ++number) {
      if (below(3) == 0) b.tail(t, number, inside(number, below(4) == 0 ? 0 : 0.75));
    }
    if (below(4) == 0) {
      constexpr const char* kKinds[] = {"wrong_size", "magic", "compressed_data"};
      const std::int64_t number = from + below(12);
      b.fault(t, number, kKinds[below(3)]);
    }
    for (const char* by : {"header", "deep"}) {
      for (std::int64_t at = from; below(3) != 0;) {
        const std::int64_t last = at + below(6);
        b.proven(by, t, at, last);
        at = last + 1 + below(2);
      }
    }
    if (t > 1 && below(8) != 0) b.history(t, switches);
    // The child begins before, at or behind the parent's end.
    const std::int64_t fork = std::max(from, to - 2 + below(5));
    switches.push_back({t, below(4) == 0 ? inside(fork, 0) : inside(fork, 0.5), "promoted"});
    from = fork;
  }
  return b;
}

}  // namespace

TEST_CASE("the interval walk agrees with a walk segment by segment", "[wal_chain]") {
  std::mt19937 random(20'240'817);
  std::map<std::string, int> seen;
  for (int round = 0; round < 40'000; ++round) {
    const ArchiveBuilder b = random_archive(random);
    const model::WalArchive wal = b.wal_archive();
    const WalChain chain(wal);
    const std::int64_t start = static_cast<std::int64_t>(random() % 6);
    const TargetTimeline target = chain.latest(1, inside(start), inside(start));
    if (!target.fatal.empty()) continue;
    for (const Proof proof : {Proof::kListed, Proof::kHeader, Proof::kDeep}) {
      const Reach reach = chain.reach(target, start, proof);
      const Naive expected = one_by_one(b, target, start, proof);
      ++seen[name(reach.stop)];
      if (text(reach) == expected.text && reach.end == expected.end) continue;
      INFO("round " << round << " proof " << kProofs[static_cast<std::size_t>(proof)]);
      REQUIRE(text(reach) == expected.text);
      REQUIRE(reach.end == expected.end);
    }
  }
  for (const char* stop : {"newest", "missing", "damaged", "fatal", "not proven", "abandoned"}) {
    INFO(stop);
    CHECK(seen[stop] > 100);
  }
}

TEST_CASE("holes are counted on the target's own path", "[wal_chain]") {
  std::mt19937 random(7);
  for (int round = 0; round < 5'000; ++round) {
    const ArchiveBuilder b = random_archive(random);
    const model::WalArchive wal = b.wal_archive();
    const WalChain chain(wal);
    const TargetTimeline target = chain.latest(1, inside(0), inside(0));
    if (!target.fatal.empty()) continue;
    // Which timeline owns each number, and whether it is there.
    std::vector<bool> there;
    for (std::int64_t n = 0; n < 60; ++n) {
      std::size_t i = 0;
      while (i + 1 < target.path.size() && inside(n, 0.9999) < target.path[i].begin) ++i;
      there.push_back(b.segments.contains({target.path[i].timeline, n}));
    }
    while (!there.empty() && !there.back()) there.pop_back();
    const auto missing = std::ranges::count(there, false);
    REQUIRE(chain.gaps(target, 0).segments == missing);
  }
}

TEST_CASE("a chain crosses the end of a log and a promotion", "[wal_chain]") {
  ArchiveBuilder b;
  b.wal(1, 250, 260).partial(1, 261).wal(2, 261, 300);
  b.history(2, {{1, inside(261), "no recovery target specified"}});
  CHECK(latest_from(b, 250) == "2/300 newest 2/301");
  // 0xFF is followed by the next log, whatever the segment's size.
  CHECK(model::wal_segment_name({1, 255}, kSegment) == "0000000100000000000000FF");
  CHECK(model::wal_segment_name({1, 256}, kSegment) == "000000010000000100000000");
  CHECK(latest_from(b.without(1, 256), 250) == "1/255 missing 1/256");
}

TEST_CASE("what real restores did on damaged archives", "[wal_chain]") {
  const auto whole = [] { return ArchiveBuilder().wal(1, 0, 20); };
  const auto forked = [&] {
    return whole().wal(2, 20, 30).history(2, {{1, inside(20), "promoted"}});
  };
  CHECK(latest_from(whole(), 3) == "1/20 newest 1/21");
  // Partial restores up to the damage.
  CHECK(latest_from(whole().without(1, 9), 3) == "1/8 missing 1/9");
  CHECK(latest_from(whole().fault(1, 9, "magic"), 3) == "1/8 damaged 1/9");
  CHECK(latest_from(whole().fault(1, 9, "compressed_data"), 3) == "1/8 damaged 1/9");
  // `latest` refused.
  CHECK(latest_from(whole().fault(1, 9, "wrong_size"), 3) == "1/8 fatal 1/9");
  CHECK(latest_from(whole().fault(1, 9, "empty"), 3) == "1/8 fatal 1/9");
  // A .partial stands in for the segment.
  CHECK(latest_from(forked().without(2, 20).without(1, 20).partial(1, 20), 3) ==
        "1/20p missing 2/20");
  // History gone: it stops at the fork.
  CHECK(latest_from(ArchiveBuilder().wal(1, 0, 19).partial(1, 20).wal(2, 20, 30), 3) ==
        "1/20p newest 1/20");
  // Empty: older backups are refused; garbage: all are.
  CHECK(latest_from(whole().wal(2, 20, 30).history(2, {}), 3) ==
        "timeline 2 does not descend from timeline 1");
  CHECK(latest_from(whole().wal(2, 20, 30).history(2, {}), 22, Proof::kListed, 2) ==
        "2/30 newest 2/31");
  CHECK(latest_from(whole().wal(2, 20, 30).garbage_history(2), 22, Proof::kListed, 2) ==
        "the history of timeline 2 cannot be read: line 1: not a switch");
  // One that restore_command cannot decompress is none.
  ArchiveBuilder undone = whole().wal(2, 20, 30).garbage_history(2);
  undone.histories[0].switches = Observed<std::vector<model::TimelineSwitch>>::unknown(
      Error(ErrorCode::kNotFound, "00000002.history.gz: gzip: ends early"), "object_store");
  CHECK(latest_from(undone, 3) == "1/20 newest 1/21");
  CHECK(latest_from(undone, 22, Proof::kListed, 2) == "2/30 newest 2/31");
  // A history whose timeline has no segments: replay goes on past its fork.
  CHECK(latest_from(whole().history(2, {{1, inside(10), "promoted"}}), 3) ==
        "1/20 newest 2/21 past 2");
  // One that forks below the backup.
  CHECK(latest_from(whole().history(2, {{1, inside(2), "promoted"}}), 3) ==
        "timeline 2 begins at 0/2800000, before the end of the backup");
  // An old primary that goes on, with the first segment of the new timeline gone.
  CHECK(latest_from(forked().wal(1, 21, 25).without(2, 20), 3) == "1/19 abandoned 2/20");
  CHECK(latest_from(forked().wal(1, 21, 25), 3) == "2/30 newest 2/31");
}

TEST_CASE("a reach ends within a segment where its records were followed", "[wal_chain]") {
  const auto reach = [](const ArchiveBuilder& b, Proof proof) {
    const model::WalArchive wal = b.wal_archive();
    const WalChain chain(wal);
    return chain.reach(chain.latest(1, inside(3), inside(3)), 3, proof);
  };
  const auto at = [&](const ArchiveBuilder& b, Proof proof) {
    const Reach r = reach(b, proof);
    return text(r) + " at " + to_string(r.end);
  };
  const auto proven = [](std::int64_t last) {
    return ArchiveBuilder().wal(1, 0, 20).proven("deep", 1, 0, last);
  };
  // A damaged record: what lies before it is replayed, however that is known.
  ArchiveBuilder damaged = proven(8);
  damaged.proven("deep", 1, 10, 20).fault(1, 9, "record").tail(1, 9, inside(9, 0.25));
  CHECK(at(damaged, Proof::kListed) == "1/9 damaged 1/9 at 0/9400000");
  CHECK(at(damaged, Proof::kDeep) == "1/9 damaged 1/9 at 0/9400000");
  CHECK(reach(damaged, Proof::kDeep).last_modified == archived_at(8));
  // One that PostgreSQL refuses as a whole.
  CHECK(at(proven(8).fault(1, 9, "wrong_size").tail(1, 9, inside(9)), Proof::kDeep) ==
        "1/8 fatal 1/9 at 0/9000000");
  // The newest segment's last record goes on in the one that is still to come.
  CHECK(at(proven(19), Proof::kDeep) == "1/19 not proven 1/20 at 0/14000000");
  CHECK(at(proven(19).tail(1, 20, inside(20)), Proof::kDeep) == "1/20 newest 1/21 at 0/14800000");
  CHECK(at(proven(19).tail(1, 20, inside(20)), Proof::kListed) == "1/20 newest 1/21 at 0/15000000");
  // What it goes on in is there, and nobody could read it.
  CHECK(at(proven(15).tail(1, 16, inside(16)), Proof::kDeep) ==
        "1/16 not proven 1/17 at 0/10800000");
  // A .partial: only by its records is it known how far it goes.
  const auto forked = [&] {
    ArchiveBuilder b = proven(19);
    b.without(1, 20).partial(1, 20).wal(2, 21, 30);
    return b.history(2, {{1, inside(20), "promoted"}});
  };
  CHECK(at(forked(), Proof::kListed) == "1/20p missing 2/20 at 0/14800000");
  CHECK(at(forked(), Proof::kDeep) == "1/19 not proven 1/20 at 0/14000000");
  CHECK(at(forked().tail(1, 20, inside(20, 0.25)), Proof::kDeep) ==
        "1/20p missing 2/20 at 0/14400000");
  CHECK(at(forked().tail(1, 20, inside(20, 0)), Proof::kDeep) == "1/19 missing 2/20 at 0/14000000");
  // Behind the fork it is not the target's.
  CHECK(at(forked().tail(1, 20, inside(20, 0.75)), Proof::kDeep) ==
        "1/20p missing 2/20 at 0/14800000");
  CHECK(at(forked().fault(1, 20, "wrong_size"), Proof::kListed) == "1/19 fatal 1/20 at 0/14000000");
  CHECK(at(forked().fault(1, 20, "compressed_data"), Proof::kListed) ==
        "1/19 damaged 1/20 at 0/14000000");
}

TEST_CASE("why a .partial is what is replayed", "[wal_chain]") {
  ArchiveBuilder b;
  b.wal(1, 0, 19).partial(1, 20).wal(1, 21, 25);
  const auto detail = [&] {
    const model::WalArchive wal = b.wal_archive();
    const WalChain chain(wal);
    const Reach reach = chain.reach(chain.latest(1, inside(3), inside(3)), 3, Proof::kListed);
    CHECK(text(reach) == "1/20p missing 1/20");
    return reach.detail;
  };
  CHECK(detail() == "there is only 000000010000000000000014.partial");
  b.partials[0].hides_whole = true;
  CHECK(detail() ==
        "barman-cloud-wal-restore takes 000000010000000000000014.partial before the whole segment");
}

TEST_CASE("`latest` is the newest timeline whose history exists in sequence", "[wal_chain]") {
  ArchiveBuilder b;
  b.wal(1, 0, 10).wal(2, 10, 20).wal(4, 20, 30);
  b.history(2, {{1, inside(10), ""}});
  b.history(4, {{1, inside(10), ""}, {2, inside(20), ""}});
  const model::WalArchive wal = b.wal_archive();
  const WalChain chain(wal);
  CHECK(chain.latest(1, inside(1), inside(2)).timeline == 2);  // 3 is a hole in the sequence
  CHECK(chain.chosen(4, 1, inside(1), inside(2)).path.size() == 3);
  CHECK(text(chain.reach(chain.chosen(4, 1, inside(1), inside(2)), 1, Proof::kListed)) ==
        "4/30 newest 4/31");
}

TEST_CASE("a hole says where it begins, how long it is and since when", "[wal_chain]") {
  ArchiveBuilder b;
  b.wal(1, 0, 10).without(1, 4).without(1, 5).without(1, 8);
  const model::WalArchive wal = b.wal_archive();
  const WalChain chain(wal);
  const WalGaps gaps = chain.gaps(chain.latest(1, inside(0), inside(0)), 0);
  CHECK(gaps.segments == 3);
  REQUIRE(gaps.first.size() == 2);
  CHECK(gaps.first[0] == WalGap{{1, 4}, 2, archived_at(6)});
  CHECK(gaps.first[1] == WalGap{{1, 8}, 1, archived_at(9)});
}

TEST_CASE("the time of a reach is never later than what was reached", "[wal_chain]") {
  ArchiveBuilder b;
  b.wal(1, 0, 20).proven("header", 1, 0, 12).proven("deep", 1, 0, 5).fault(1, 16, "magic");
  const model::WalArchive wal = b.wal_archive();
  const WalChain chain(wal);
  const TargetTimeline target = chain.latest(1, inside(0), inside(0));
  CHECK(chain.reach(target, 0, Proof::kListed).last_modified == archived_at(15));
  CHECK(chain.reach(target, 0, Proof::kHeader).last_modified == archived_at(12));
  CHECK(chain.reach(target, 0, Proof::kDeep).last_modified == archived_at(5));
  CHECK(chain.reach(target, 0, Proof::kDeep).detail.empty());
}

TEST_CASE("a chain without a segment size is refused", "[wal_chain]") {
  model::WalArchive wal;
  CHECK_THROWS_AS(WalChain(wal), std::invalid_argument);
  wal.segment_bytes = 1000;
  CHECK_THROWS_AS(WalChain(wal), std::invalid_argument);
}

}  // namespace keelwatch::analysis
