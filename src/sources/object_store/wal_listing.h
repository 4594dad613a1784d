// What is known of one server's wals/ by listing it: once as a whole, then only what is new, which
// is what comes behind the last known key of each timeline. A name that arrives late, between known
// ones, and a deletion show at the next whole listing. That one replaces what was known only when
// it is complete; until then, and while a listing fails, what was known stays.
// No I/O: the owner sends next_*() to the store and hands the page to add_*().
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "sources/object_store/listing_cursor.h"
#include "sources/object_store/wal_contents.h"

namespace keelwatch::sources {

class WalListing {
 public:
  // `server` is "<path>/<server>/".
  explicit WalListing(std::string server);

  // When the last complete whole listing began.
  [[nodiscard]] std::optional<WallTime> listed_whole_at() const { return listed_whole_at_; }
  [[nodiscard]] const WalContents& contents() const { return contents_; }

  // The whole. Nothing: none is under way. It may stretch over many passes, with listings of what
  // is new between its pages.
  void begin_whole(WallTime now);
  [[nodiscard]] std::optional<S3ListRequest> next_whole() const;
  // Errors: kMalformed, kTooLarge; they end this listing.
  [[nodiscard]] Result<void> add_whole(const S3Page& page);
  void abandon_whole() { whole_.reset(); }

  // What is new, after a first whole listing: a request per timeline as long as all fits a page.
  // What a page brings counts at once.
  void begin_new();
  [[nodiscard]] std::optional<S3ListRequest> next_new() const;
  // Errors: as add_whole().
  [[nodiscard]] Result<void> add_new(const S3Page& page);
  void abandon_new() { new_.clear(); }

  // Segments that came after the first whole listing, oldest first; each is given once.
  [[nodiscard]] std::vector<SegmentToProve> take_new_segments();

  // Histories whose content is still to be read, by timeline.
  [[nodiscard]] std::vector<std::uint32_t> histories_to_read() const;
  [[nodiscard]] const HistoryObject* history(std::uint32_t timeline) const;
  // `read`: it need not be asked for again as long as the object is the same.
  void set_history(std::uint32_t timeline, Observed<std::vector<model::TimelineSwitch>> switches,
                   bool read);

 private:
  struct Whole {
    WallTime began;
    ListingCursor cursor;
    WalContents contents;
  };

  void replace_by(Whole whole);

  std::string server_;
  std::optional<WallTime> listed_whole_at_;
  WalContents contents_;
  std::optional<Whole> whole_;
  std::deque<ListingCursor> new_;
  std::vector<SegmentToProve> new_segments_;
};

}  // namespace keelwatch::sources
