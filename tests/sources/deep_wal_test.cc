#include "sources/object_store/deep_wal.h"

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
      {"an empty file", [&] { archive.object(7).clear(); }, "5-5 8-9", "7:compressed_data"},
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
