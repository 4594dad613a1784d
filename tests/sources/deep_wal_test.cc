#include "sources/object_store/deep_wal.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "tests/support/compress.h"
#include "tests/support/memory_objects.h"
#include "tests/support/wal_writer.h"

namespace keelwatch::sources {
namespace {

using testing::WalWriter;

// Segments 5 to 9 of timeline 1: every last record crosses, but for that of 9.
struct Archive {
  testing::MemoryObjects bucket;
  DeepWalRequest request;
  DeepOptions options;
  EventLoop loop;

  Archive() {
    WalWriter writer({1, 5});
    for (int i = 0; i < 4; ++i) writer.fill_segment();
    writer.record(100);
    writer.switch_segment();
    request.segment_bytes = WalWriter::kSegmentBytes;
    for (std::int64_t number = 5; number <= 9; ++number) add(number, writer.segment(number), ".gz");
  }
  void add(std::int64_t number, const std::string& bytes, std::string_view suffix) {
    const model::WalSegment segment{1, number};
    const std::string key =
        "wals/" + wal_segment_name(segment, request.segment_bytes) + std::string(suffix);
    bucket.objects[key] = testing::compress(suffix, bytes);
    request.files.push_back(
        {segment, key, static_cast<std::int64_t>(bucket.objects[key].size()), std::nullopt});
  }
  std::string& object(std::int64_t number) {
    return bucket.objects.at(request.files.at(static_cast<std::size_t>(number - 5)).key);
  }
  void flip(std::int64_t number, std::size_t at) {
    std::string bytes = plain(number);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    object(number) = testing::compress(".gz", bytes);
  }
  std::string plain(std::int64_t number);
  DeepWalProof prove() {
    Result<DeepWalProof> proof = loop.block_on(prove_wal(loop, bucket, request, options));
    REQUIRE(proof);
    return *std::move(proof);
  }
};

// "5-7 9"
std::string numbers(const DeepWalProof& proof) {
  std::string text;
  for (const model::WalProof& run : proof.proofs) {
    CHECK(run.by == "deep");
    if (!text.empty()) text += " ";
    text += std::to_string(run.first) + "-" + std::to_string(run.last);
  }
  return text;
}

// "8+1040472 9+0": how far into its segment each tail goes.
std::string tails(const DeepWalProof& proof) {
  std::string text;
  for (const model::WalTail& tail : proof.tails) {
    const model::Lsn begin = wal_segment_begin(tail.segment, WalWriter::kSegmentBytes);
    if (!text.empty()) text += " ";
    text +=
        std::to_string(tail.segment.number) + "+" + std::to_string(tail.end.bytes - begin.bytes);
  }
  return text;
}

std::string faults(const DeepWalProof& proof) {
  std::string text;
  for (const model::WalFault& fault : proof.faults) {
    CHECK(fault.detail != "");
    if (!text.empty()) text += " ";
    text += std::to_string(fault.segment.number) + ":" + fault.kind;
  }
  return text;
}

}  // namespace

std::string Archive::plain(std::int64_t number) {
  WalWriter writer({1, 5});
  for (int i = 0; i < 4; ++i) writer.fill_segment();
  writer.record(100);
  writer.switch_segment();
  return writer.segment(number);
}

TEST_CASE("segments that follow each other are proven together", "[object_store]") {
  Archive archive;
  std::int64_t done = 0;
  archive.options.progress = [&done](const DeepProgress& progress) {
    CHECK(progress.done > done);
    CHECK(progress.done <= progress.total);
    done = progress.done;
  };
  const DeepWalProof proof = archive.prove();
  CHECK(numbers(proof) == "5-9");
  CHECK(faults(proof) == "");
  CHECK(proof.bytes == done);
}

TEST_CASE("a last record that was not seen to its end proves nothing of its segment",
          "[object_store]") {
  Archive archive;
  archive.request.files.pop_back();
  const DeepWalProof proof = archive.prove();
  CHECK(numbers(proof) == "5-7");
  CHECK(faults(proof) == "");
}

TEST_CASE("what is damaged is a fault, and the rest is proven", "[object_store]") {
  Archive archive;
  struct Case {
    const char* name;
    std::function<void()> damage;
    const char* proven;
    const char* faults;
  };
  const Case cases[] = {
      {"nothing", [] {}, "5-9", ""},
      {"a record in the middle", [&] { archive.flip(7, 500'000); }, "5-6 8-9", "7:record"},
      {"the begin of a crossing record", [&] { archive.flip(6, (1U << 20U) - 10); }, "5-5 8-9",
       "6:record 7:record"},
      {"the end of a crossing record", [&] { archive.flip(7, 50); }, "5-5 8-9",
       "6:record 7:record"},
      {"half a file", [&] { archive.object(7).resize(archive.object(7).size() / 2); }, "5-5 8-9",
       "7:compressed_data"},
      {"an empty file", [&] { archive.object(7).clear(); }, "5-5 8-9", "7:empty"},
      {"a bomb",
       [&] { archive.object(7) = testing::compress(".gz", std::string(1U << 26U, '\0')); },
       "5-5 8-9", "7:magic"},
      {"two segments in one file",
       [&] { archive.object(7) = testing::compress(".gz", archive.plain(7) + archive.plain(8)); },
       "5-6 8-9", "7:wrong_size"},
      {"another's segment", [&] { archive.object(7) = archive.object(8); }, "5-5 8-9", "7:address"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    const auto objects = archive.bucket.objects;
    c.damage();
    const DeepWalProof proof = archive.prove();
    CHECK(numbers(proof) == c.proven);
    CHECK(faults(proof) == c.faults);
    archive.bucket.objects = objects;
  }
}

TEST_CASE("records are followed as far as they are whole", "[object_store]") {
  Archive archive;
  // Where the last record of 6 and the one before the damage in 7 end.
  DeepWalProof whole = archive.prove();
  CHECK(tails(whole).starts_with("5+"));  // until what comes next has proven it
  archive.flip(7, 500'000);
  const DeepWalProof proof = archive.prove();
  const auto tail =
      std::ranges::find(proof.tails, model::WalSegment{1, 7}, &model::WalTail::segment);
  REQUIRE(tail != proof.tails.end());
  const auto begin = wal_segment_begin(tail->segment, WalWriter::kSegmentBytes).bytes;
  CHECK(tail->end.bytes % 8 == 0);
  CHECK(tail->end.bytes < begin + 500'000);
  CHECK(tail->end.bytes > begin + 400'000);
}

TEST_CASE("the records of a .partial end somewhere, and that is no fault", "[object_store]") {
  constexpr auto kBytes = static_cast<std::size_t>(WalWriter::kSegmentBytes);
  Archive archive;
  WalWriter writer({1, 5});
  for (int i = 0; i < 4; ++i) writer.fill_segment();
  const std::size_t start = writer.segment(9).size();  // what crosses into it
  writer.record(100);
  writer.record(77);
  const std::string written = writer.segment(9);
  const std::size_t end = (written.size() + 7) / 8 * 8;
  const std::size_t before = (start + 7) / 8 * 8 + 128;  // 124 bytes, padded
  const auto filled = [&](std::string text, char with) {
    text.resize(kBytes, with);
    return text;
  };
  const auto flipped = [&](std::size_t at) {
    std::string text = filled(written, '\0');
    text[at] = static_cast<char>(text[at] ^ 1);
    return text;
  };
  const std::string recycled = written + archive.plain(6).substr(written.size());
  archive.request.files.pop_back();
  std::string eight = tails(archive.prove());
  eight.erase(0, eight.rfind(' ') + 1);
  const std::string half = testing::compress(".gz", filled(written, '\0'));
  struct Case {
    const char* name;
    std::string object;
    std::string proven;
    std::string last_tails;
    std::string faults;
  };
  const auto gz = [](const std::string& bytes) { return testing::compress(".gz", bytes); };
  const std::string whole_tail = " 9+" + std::to_string(end);
  const Case cases[] = {
      {"zeros behind", gz(filled(written, '\0')), "5-8", whole_tail, ""},
      {"what was in the file before", gz(recycled), "5-8", whole_tail, ""},
      {"its last record is damaged", gz(flipped(written.size() - 3)), "5-8",
       " 9+" + std::to_string(before), ""},
      {"its first record is damaged", gz(flipped(60)), "5-7", " " + eight + " 9+0", ""},
      {"too short", gz(written), "5-7", " " + eight, "9:wrong_size"},
      {"too long", gz(filled(written, '\0') + "x"), "5-7", " " + eight, "9:wrong_size"},
      {"empty", gz(""), "5-7", " " + eight, "9:empty"},
      {"half a file", half.substr(0, half.size() / 2), "5-7", " " + eight, "9:compressed_data"},
      {"no WAL", gz(std::string(kBytes, 'x')), "5-7", " " + eight, "9:magic"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    archive.request.files.resize(4);
    archive.add(9, "", ".gz");
    archive.request.files.back().partial = true;
    archive.object(9) = c.object;
    const DeepWalProof proof = archive.prove();
    CHECK(numbers(proof) == c.proven);
    CHECK_THAT(tails(proof), Catch::EndsWith(c.last_tails));
    CHECK(faults(proof) == c.faults);
  }
}

TEST_CASE("what the store does not give is no verdict", "[object_store]") {
  Archive archive;
  SECTION("deleted since it was listed") {
    archive.bucket.objects.erase(archive.request.files[2].key);
    const DeepWalProof proof = archive.prove();
    CHECK(numbers(proof) == "5-5 8-9");
    CHECK(faults(proof) == "");
    CHECK(proof.gone == std::vector<model::WalSegment>{{1, 7}});
  }
  SECTION("the connection breaks") {
    archive.bucket.piece = 100;
    archive.bucket.cut = archive.request.files[2].key;
    const auto proof = archive.loop.block_on(
        prove_wal(archive.loop, archive.bucket, archive.request, archive.options));
    CHECK(proof.error().code() == ErrorCode::kUnavailable);
  }
  SECTION("more than was allowed") {
    archive.options.max_bytes = 1000;
    const auto proof = archive.loop.block_on(
        prove_wal(archive.loop, archive.bucket, archive.request, archive.options));
    CHECK(proof.error().code() == ErrorCode::kTooLarge);
  }
}

}  // namespace keelwatch::sources
