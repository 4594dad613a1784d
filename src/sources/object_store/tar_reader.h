// Reads a tar archive piece by piece: ustar with pax headers, as barman-cloud writes them with
// Python's tarfile (PAX_FORMAT), and GNU's long names and base-256 numbers. Members with data are
// regular files; of the others only the header counts. Every header's checksum must be right, and
// the archive must end as POSIX (pax, "ustar Interchange Format") says: two blocks of zeros, with
// nothing but zeros behind. Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelwatch::sources {

struct TarMember {
  std::string name;  // without "./" in front
  char type = '0';   // '0' regular, '5' directory, '2' symbolic link, ...
  std::uint64_t bytes = 0;
};

// What is in the archive, in its order: begin(), data() as often as it takes, end().
class TarVisitor {
 public:
  virtual ~TarVisitor() = default;
  virtual void begin(const TarMember& member) = 0;
  virtual void data(std::string_view bytes) = 0;
  virtual void end() = 0;
};

class TarReader {
 public:
  // The visitor must outlive the reader.
  explicit TarReader(TarVisitor& visitor) : visitor_(visitor) {}

  // kMalformed: damaged, with the member and the place; kTooLarge: a name beyond all reason. After
  // an error only the same one comes.
  [[nodiscard]] Result<void> feed(std::string_view bytes);
  // There is no more. kMalformed: it ended early.
  [[nodiscard]] Result<void> finish();

 private:
  Result<void> block(std::string_view block);
  Result<void> header(std::string_view block);
  Result<void> start_member(std::string_view block, std::uint64_t bytes);
  Result<void> extension_complete();
  Result<void> pax_records(std::string_view records, bool global);
  Error damaged(std::string_view what) const;

  TarVisitor& visitor_;
  std::optional<Error> failure_;
  std::string partial_;   // begin of a block that is not whole yet
  std::uint64_t at_ = 0;  // of the archive, of the next block
  bool zero_block_ = false;
  bool ended_ = false;

  // The member whose data is being read.
  TarMember member_;
  bool inside_ = false;
  char extension_ = '\0';  // 'x', 'g', 'L', 'K': its data goes to extension_data_
  std::string extension_data_;
  std::uint64_t data_left_ = 0;
  std::uint64_t padding_left_ = 0;

  // For the next member, from extensions / from a global header for all that follow.
  std::optional<std::string> next_name_;
  std::optional<std::uint64_t> next_bytes_;
  std::optional<std::string> global_name_;
  std::optional<std::uint64_t> global_bytes_;
};

}  // namespace keelwatch::sources
