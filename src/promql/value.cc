#include "promql/value.h"

#include <algorithm>

namespace keelwatch::promql {

std::uint32_t SetBuilder::add(LabelsPtr labels, bool drop_name) {
  if (slots_.size() <= set_->labels.size() * 2) grow();
  const std::uint64_t hash = labels->hash();
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].number != 0 &&
         (slots_[at].hash != hash || *set_->labels[slots_[at].number - 1] != *labels)) {
    at = (at + 1) & (slots_.size() - 1);
  }
  if (slots_[at].number == 0) {
    set_->labels.push_back(std::move(labels));
    if (!set_->drop_name.empty()) set_->drop_name.push_back(0);
    slots_[at] = {hash, static_cast<std::uint32_t>(set_->labels.size())};
  }
  const std::uint32_t index = slots_[at].number - 1;
  if (drop_name) {
    set_->drop_name.resize(set_->labels.size(), 0);
    set_->drop_name[index] = 1;
  }
  return index;
}

void SetBuilder::grow() {
  std::vector<Slot> old(std::max<std::size_t>(16, slots_.size() * 2));
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.number == 0) continue;
    std::size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].number != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

SetPtr SetBuilder::finish() { return std::move(set_); }

SetMap map_set(const SeriesSet& in,
               const std::function<Labels(std::size_t, const Labels&)>& change) {
  SetMap map;
  SetBuilder builder;
  map.to.reserve(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::uint32_t to =
        builder.add(std::make_shared<const Labels>(change(i, *in.labels[i])), in.drops(i));
    map.identity = map.identity && to == i;
    map.to.push_back(to);
  }
  map.out = builder.finish();
  return map;
}

Result<Block> regroup(const SetMap& map, Block block, std::size_t steps) {
  block.set = map.out;
  if (map.identity) return block;
  std::vector<double> merged(map.out->size() * steps, absent_cell());
  for (std::size_t i = 0; i < map.to.size(); ++i) {
    const double* from = block.values.data() + i * steps;
    double* to = merged.data() + map.to[i] * steps;
    for (std::size_t s = 0; s < steps; ++s) {
      if (is_absent(from[s])) continue;
      if (!is_absent(to[s])) {
        return Error(ErrorCode::kInvalid, "vector cannot contain metrics with the same labelset");
      }
      to[s] = from[s];
    }
  }
  block.values = std::move(merged);
  return block;
}

}  // namespace keelwatch::promql
