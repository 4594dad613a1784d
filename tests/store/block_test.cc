#include "store/block.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>

#include "store/chunk.h"
#include "tests/store/samples.h"

namespace keelwatch::store {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;

std::vector<Sample> slots(std::size_t count, const std::function<double(double)>& value) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < count; ++i) {
    samples.push_back(
        {kStart + static_cast<std::int64_t>(i) * 5000, value(static_cast<double>(i))});
  }
  return samples;
}

std::vector<std::uint8_t> encoded(const std::vector<Sample>& samples, TimeState state) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < samples.size(); i += kBlockSamples) {
    encode_block(std::span(samples).subspan(i, std::min(kBlockSamples, samples.size() - i)), state,
                 bytes);
  }
  return bytes;
}

// Reads through exactly sized memory, so that the sanitizer sees a load too far.
std::vector<Sample> decoded(std::vector<std::uint8_t> bytes, TimeState state) {
  const std::size_t size = bytes.size();
  bytes.resize(size + kReadSlack, 0xff);
  BlockReader reader({bytes.data(), size}, state);
  std::vector<Sample> samples;
  DecodedBlock block;
  while (!reader.done()) {
    if (!reader.next_times(block) || !reader.values(block)) return {};
    samples.insert(samples.end(), block.samples.begin(),
                   block.samples.begin() + static_cast<std::ptrdiff_t>(block.count));
  }
  return samples;
}

}  // namespace

TEST_CASE("a block takes no more bytes than the shape of its samples needs", "[store]") {
  struct Case {
    const char* name;
    std::function<double(double)> value;
    double most_bytes_per_sample;
  };
  const Case cases[] = {
      {"one", [](double) { return 1; }, 0.2},
      {"an odd constant", [](double) { return 1.0 / 3; }, 0.35},
      {"infinity", [](double) { return HUGE_VAL; }, 0.35},
      {"a steady counter", [](double i) { return 1e6 + 17 * i; }, 0.35},
      {"a noisy counter", [](double i) { return std::floor(1e6 + 17 * i + 9 * std::sin(i)); }, 1.0},
      {"bytes in pages", [](double i) { return 8192 * std::floor(1000 * std::sin(i / 9)); }, 3.0},
      {"milliseconds as seconds",
       [](double i) { return std::round(1000 * (1 + std::sin(i))) / 1000; }, 2.0},
      {"a flag", [](double i) { return std::fmod(i, 7) < 3 ? 1.0 : 0.0; }, 0.5},
      {"noise", [](double i) { return std::sin(i); }, 9.0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const std::vector<Sample> samples = slots(kBlockSamples, c.value);
    const TimeState start{kStart - 5000, 5000};
    const std::vector<std::uint8_t> bytes = encoded(samples, start);
    CHECK(static_cast<double>(bytes.size()) <=
          c.most_bytes_per_sample * static_cast<double>(samples.size()));
    CHECK(bits(decoded(bytes, start)) == bits(samples));
  }
}

TEST_CASE("timestamps on a grid cost nothing, a gap costs bits", "[store]") {
  std::vector<Sample> samples = slots(kBlockSamples, [](double) { return 1; });
  const TimeState start{kStart - 5000, 5000};
  const std::size_t regular = encoded(samples, start).size();
  for (std::size_t i = 16; i < samples.size(); ++i) samples[i].timestamp_ms += 60'000;
  const std::vector<std::uint8_t> bytes = encoded(samples, start);
  CHECK(bytes.size() > regular);
  CHECK(bytes.size() < regular + 12);
  CHECK(bits(decoded(bytes, start)) == bits(samples));
}

TEST_CASE("any timestamps and any 64 bits of value come back", "[store]") {
  Random random(1);
  for (int round = 0; round < 3000; ++round) {
    Shape shape(round % Shape::kKinds);
    const std::int64_t jitter = std::int64_t{1} << below(random, 56);
    std::int64_t time = round % 5 == 0 ? std::numeric_limits<std::int64_t>::min()
                                       : static_cast<std::int64_t>(random() >> 8);
    std::vector<Sample> samples;
    for (std::size_t i = below(random, 80) + 1; i > 0; --i) {
      samples.push_back({time, shape.next(random)});
      time += 1 + static_cast<std::int64_t>(below(random, static_cast<std::uint64_t>(jitter)));
    }
    const TimeState start{static_cast<std::int64_t>(random()), static_cast<std::int64_t>(random())};
    CAPTURE(round);
    REQUIRE(bits(decoded(encoded(samples, start), start)) == bits(samples));
  }
}

TEST_CASE("a block cut short or altered is refused or read as something, never past its end",
          "[store]") {
  Random random(2);
  std::size_t refused = 0;
  for (int round = 0; round < 2000; ++round) {
    Shape shape(round % Shape::kKinds);
    std::vector<Sample> samples = slots(40, [&](double) { return shape.next(random); });
    samples[20].timestamp_ms += 3;
    std::vector<std::uint8_t> bytes = encoded(samples, {});
    if (round % 2 == 0) {
      bytes.resize(below(random, bytes.size()) + 1);
    } else {
      bytes[below(random, bytes.size())] = static_cast<std::uint8_t>(random());
    }
    if (decoded(bytes, {}).empty()) ++refused;
  }
  CHECK(refused > 500);
}

TEST_CASE("a chunk grows block by block and every window of it can be read", "[store]") {
  Random random(3);
  for (int kind = 0; kind < Shape::kKinds; ++kind) {
    Shape shape(kind);
    std::vector<Sample> all;
    Chunk::Ptr chunk;
    std::int64_t time = kStart;
    while (chunk == nullptr || !chunk->full()) {
      std::vector<Sample> block;
      for (std::size_t i = 0; i < kBlockSamples; ++i) {
        block.push_back({time, shape.next(random)});
        time += below(random, 30) == 0 ? 60'000 : 5000;
      }
      chunk = Chunk::make(chunk.get(), block);
      all.insert(all.end(), block.begin(), block.end());
    }
    CAPTURE(kind);
    CHECK(chunk->samples() == kChunkSamples);
    CHECK(chunk->min_time() == all.front().timestamp_ms);
    CHECK(chunk->max_time() == all.back().timestamp_ms);
    for (int i = 0; i < 300; ++i) {
      const std::int64_t from = kStart - 5000 + static_cast<std::int64_t>(below(random, 2'000'000));
      const std::int64_t to = from + static_cast<std::int64_t>(below(random, 800'000));
      std::vector<Sample> expected;
      Sample last;
      for (const Sample& sample : all) {
        if (sample.timestamp_ms <= to) last = sample;
        if (sample.timestamp_ms > from && sample.timestamp_ms <= to) expected.push_back(sample);
      }
      std::vector<Sample> found;
      chunk->read(from, to, found);
      REQUIRE(bits(found) == bits(expected));
      if (to >= chunk->min_time()) REQUIRE(bits(chunk->last_until(to)) == bits(last));
    }
  }
}

}  // namespace keelwatch::store
