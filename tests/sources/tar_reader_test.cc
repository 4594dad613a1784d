#include "sources/object_store/tar_reader.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace keelwatch::sources {
namespace {

struct Kept : TarVisitor {
  std::vector<std::pair<std::string, std::string>> files;  // name, data
  std::string types;
  void begin(const TarMember& member) override {
    files.emplace_back(member.name, "");
    types.push_back(member.type);
  }
  void data(std::string_view bytes) override { files.back().second += bytes; }
  void end() override { types.push_back('.'); }
};

Result<void> read(TarVisitor& visitor, std::string_view archive, std::size_t piece = 4096) {
  TarReader reader(visitor);
  for (; !archive.empty(); archive.remove_prefix(std::min(piece, archive.size()))) {
    if (const Result<void> fed = reader.feed(archive.substr(0, piece)); !fed) return fed.error();
  }
  return reader.finish();
}

std::string message(std::string_view archive) {
  Kept kept;
  const Result<void> done = read(kept, archive);
  return done ? "" : done.error().message();
}

// As Python's tarfile writes it, which barman-cloud uses.
std::string python_tar(const char* script) {
  const std::string command = std::string(
                                  "python3 -c '\n"
                                  "import io, sys, tarfile\n"
                                  "t = tarfile.open(fileobj=sys.stdout.buffer, mode=\"w|\", "
                                  "format=tarfile.PAX_FORMAT)\n"
                                  "def add(name, data, **more):\n"
                                  "  i = tarfile.TarInfo(name)\n"
                                  "  i.size = len(data)\n"
                                  "  for k, v in more.items(): setattr(i, k, v)\n"
                                  "  t.addfile(i, io.BytesIO(data))\n") +
                              script + "\nt.close()'";
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  char buffer[8192];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    out.append(buffer, n);
  REQUIRE(pclose(pipe) == 0);
  return out;
}

const std::string& sample() {
  static const std::string archive = python_tar(
      "add(\"./PG_VERSION\", b\"15\\n\")\n"
      "d = tarfile.TarInfo(\"base\"); d.type = tarfile.DIRTYPE; t.addfile(d)\n"
      "add(\"base/5/1259\", b\"r\" * 20000, mtime=1764000000.25)\n"
      "add(\"empty\", b\"\")\n"
      "add(\"x\" * 150 + \"/\" + \"n\" * 200, b\"long\")\n"
      "l = tarfile.TarInfo(\"pg_wal\"); l.type = tarfile.SYMTYPE; l.linkname = \"/wal\" * 60; "
      "t.addfile(l)\n"
      "add(\"block\", b\"b\" * 512)\n");
  return archive;
}

}  // namespace

TEST_CASE("an archive of Python's tarfile is read, in whatever pieces it comes", "[object_store]") {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{511}, std::size_t{100'000}}) {
    Kept kept;
    const Result<void> done = read(kept, sample(), piece);
    REQUIRE(done);
    CHECK(kept.types == "0.5.0.0.0.2.0.");
    REQUIRE(kept.files.size() == 7);
    CHECK(kept.files[0] == std::pair<std::string, std::string>("PG_VERSION", "15\n"));
    CHECK(kept.files[1].first == "base/");
    CHECK(kept.files[2].second == std::string(20000, 'r'));
    CHECK(kept.files[3].second.empty());
    CHECK(kept.files[4].first == std::string(150, 'x') + "/" + std::string(200, 'n'));
    CHECK(kept.files[4].second == "long");
    CHECK(kept.files[6].second == std::string(512, 'b'));
  }
}

TEST_CASE("GNU's long names and binary sizes are read", "[object_store]") {
  std::string archive = python_tar(
      "t.format = tarfile.GNU_FORMAT\n"
      "add(\"n\" * 300, b\"long\")\nadd(\"small\", b\"12345\")\n");
  // The size of the last member in base 256, its checksum made anew.
  const std::size_t at = archive.find("small");
  archive.replace(at + 124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\x05", 12));
  archive.replace(at + 148, 8, 8, ' ');
  unsigned int sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(archive[at + i]);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  archive.replace(at + 148, 8, std::string(text, 7) + ' ');
  Kept kept;
  REQUIRE(read(kept, archive));
  REQUIRE(kept.files.size() == 2);
  CHECK(kept.files[0].first == std::string(300, 'n'));
  CHECK(kept.files[1].second == "12345");
}

TEST_CASE("an archive cut anywhere ends early", "[object_store]") {
  const std::string& whole = sample();
  const std::size_t used = whole.find_last_not_of('\0') + 1;
  for (std::size_t left = 0; left < used; left += 97) {
    INFO(left);
    CHECK_THAT(message(whole.substr(0, left)), Catch::Contains("ends early"));
  }
  // One block of zeros is no end, two are one, and more may follow.
  const std::size_t end = (used + 511) / 512 * 512;
  CHECK_THAT(message(whole.substr(0, end + 512)), Catch::Contains("ends early"));
  CHECK(message(whole.substr(0, end + 1024)) == "");
  CHECK_THAT(message(whole.substr(0, end + 1025)), Catch::Contains("ends early"));
}

TEST_CASE("damage to a header is told with its place", "[object_store]") {
  std::string archive = sample();
  const std::size_t at = archive.find("empty");
  SECTION("a flipped bit") {
    std::minstd_rand random(9);
    for (int i = 0; i < 300; ++i) {
      std::string bad = archive;
      const std::size_t where = at + random() % 512;
      bad[where] = static_cast<char>(bad[where] ^ 1 << random() % 8);
      INFO(where - at);
      // The field of the checksum itself ends in bytes that say nothing.
      if (where - at != 154 && where - at != 155) CHECK(message(bad) != "");
    }
  }
  SECTION("zeros") {
    archive.replace(at, 512, 512, '\0');
    CHECK_THAT(message(archive), Catch::Contains("a block of zeros within the archive"));
  }
  SECTION("a block lost") {
    archive.erase(archive.find("rrrr"), 512);
    CHECK_THAT(message(archive),
               Catch::Contains("no zeros behind the data after member base/5/1259"));
  }
  SECTION("something behind the end") {
    archive += std::string(511, '\0') + "x";
    CHECK_THAT(message(archive), Catch::Contains("something follows its end"));
  }
}

TEST_CASE("extended headers are bounded and checked", "[object_store]") {
  const auto with = [](const std::string& records) {
    return message(python_tar(("i = tarfile.TarInfo(\"p\"); i.type = b\"x\"; d = b\"" + records +
                               "\"; i.size = len(d); t.addfile(i, io.BytesIO(d))\n"
                               "add(\"f\", b\"data\")\n")
                                  .c_str()));
  };
  CHECK(with("12 comment=x") != "");
  CHECK(with("13 comment=x\\n") == "");
  CHECK(with("10 size=4\\n") == "");
  CHECK_THAT(with("99 comment=x\\n"), Catch::Contains("wrong length"));
  CHECK_THAT(with("2 \\n"), Catch::Contains("wrong length"));
  CHECK_THAT(with("x"), Catch::Contains("without a length"));
  CHECK_THAT(with("11 size=-1\\n"), Catch::Contains("size is none"));
  CHECK_THAT(with("30 size=99999999999999999999\\n"), Catch::Contains("extended header"));
  CHECK_THAT(with("22 GNU.sparse.major=1\\n"), Catch::Contains("sparse"));
  CHECK_THAT(with("\" + b\"x\" * 2000000 + b\""), Catch::Contains("extended header of 2000000"));
}

}  // namespace keelwatch::sources
