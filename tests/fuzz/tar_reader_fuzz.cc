// For arbitrary bytes: however an archive is cut into pieces, it reads the same, and a member never
// gives more data than its header says.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sources/object_store/tar_reader.h"

namespace keelwatch::sources {
namespace {

struct Seen final : TarVisitor {
  std::string text;
  std::uint64_t left = 0;
  void begin(const TarMember& member) override {
    text += member.name;
    left = member.bytes;
  }
  void data(std::string_view bytes) override {
    if (bytes.size() > left) std::abort();
    left -= bytes.size();
    text += bytes;
  }
  void end() override {
    if (left != 0) std::abort();
  }
};

std::string read(std::string_view archive, std::size_t piece) {
  Seen seen;
  TarReader reader(seen);
  for (; !archive.empty(); archive.remove_prefix(std::min(piece, archive.size()))) {
    if (const Result<void> fed = reader.feed(archive.substr(0, piece)); !fed) {
      return seen.text + fed.error().message();
    }
  }
  const Result<void> finished = reader.finish();
  return seen.text + (finished ? "" : finished.error().message());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view archive(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (read(archive, std::string_view::npos) != read(archive, 1U + data[0])) std::abort();
  return 0;
}

}  // namespace keelwatch::sources
