// What is known of one server's base/ by listing it, always as a whole, and by its backup.info
// files, each read once as long as the object stays the same. A listing counts when it is complete.
// No I/O: the owner sends next() to the store and hands the page to add().
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/archive.h"
#include "sources/object_store/listing_cursor.h"

namespace keelwatch::sources {

class BaseListing {
 public:
  // `server` is "<path>/<server>/".
  explicit BaseListing(std::string server);

  void begin();
  [[nodiscard]] std::optional<S3ListRequest> next() const;
  // Errors: kMalformed, kTooLarge; they end this listing.
  [[nodiscard]] Result<void> add(const S3Page& page);
  void abandon() { listing_.reset(); }

  // Whether complete listings since the last call found a backup more or less, or another
  // backup.info: WAL may have come and gone with it. The data files of a running one do not count.
  [[nodiscard]] bool take_changed();

  // Backups whose backup.info is still to be read, the newest first.
  [[nodiscard]] std::vector<std::string> infos_to_read() const;
  [[nodiscard]] std::string info_key(std::string_view backup) const;
  // `read`: it need not be asked for again as long as the object is the same.
  void set_info(const std::string& backup, Observed<model::BackupInfo> info, bool read);

  // Sorted by id.
  [[nodiscard]] std::vector<model::BaseBackup> backups() const;
  // Those with the status DONE, the newest last.
  [[nodiscard]] std::vector<const model::BackupInfo*> done() const;

 private:
  struct Backup {
    std::vector<model::ArchivedFile> files;
    std::optional<model::ArchivedFile> info_file;
    bool read = false;
    std::optional<Observed<model::BackupInfo>> info;  // absent: not read yet
  };
  using Backups = std::map<std::string, Backup, std::less<>>;
  struct Listing {
    ListingCursor cursor;
    Backups backups;
    std::size_t objects = 0;
  };

  void replace_by(Backups backups);

  std::string server_;
  std::optional<Listing> listing_;
  Backups backups_;
  bool listed_ = false;
  bool changed_ = false;
};

}  // namespace keelwatch::sources
