#include "promql/value.h"

namespace keelwatch::promql {

std::uint32_t SetBuilder::add(LabelsPtr labels, bool drop_name) {
  const std::uint64_t hash = labels->hash();
  auto [begin, end] = index_.equal_range(hash);
  std::uint32_t index = static_cast<std::uint32_t>(set_->labels.size());
  for (auto it = begin; it != end; ++it) {
    if (*set_->labels[it->second] == *labels) {
      index = it->second;
      break;
    }
  }
  if (index == set_->labels.size()) {
    set_->labels.push_back(std::move(labels));
    if (!set_->drop_name.empty()) set_->drop_name.push_back(0);
    index_.emplace(hash, index);
  }
  if (drop_name) {
    set_->drop_name.resize(set_->labels.size(), 0);
    set_->drop_name[index] = 1;
  }
  return index;
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
