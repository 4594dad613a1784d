// For arbitrary bytes: what is read as a page of a listing is sorted, behind the prefix and after
// the start, with sizes that are none below zero and a next page that is another; errors have a
// code and a text of bounded size.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sources/object_store/s3_answer.h"

namespace keelwatch::sources {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_page(std::string_view xml, const S3ListRequest& request) {
  const Result<S3Page> page = decode_page(xml, request);
  if (!page) {
    require(page.error().message().size() < 2000);
    return;
  }
  const std::string* before = nullptr;
  for (const S3Object& object : page->objects) {
    require(object.bytes >= 0 && object.key.starts_with(request.prefix));
    require(request.start_after.empty() || object.key > request.start_after);
    require(before == nullptr || *before < object.key);
    before = &object.key;
  }
  before = nullptr;
  for (const std::string& prefix : page->prefixes) {
    require(prefix.starts_with(request.prefix) && prefix.ends_with(request.delimiter));
    require(before == nullptr || *before < prefix);
    before = &prefix;
  }
  require(page->next.empty() || page->next != request.continuation);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_page(text, {});
  check_page(text, {.prefix = "p/", .start_after = "p/1", .delimiter = "/", .continuation = "t"});
  const S3Refusal refusal = decode_refusal(403, text, "");
  require(explain(refusal, {"http://s3", "b", "r", "k", "", std::nullopt}).message().size() < 2000);
  model::BucketSettings settings;
  const bool whole = decode_versioning(text, settings) && decode_object_lock(text, settings) &&
                     decode_lifecycle(text, "p/", {}, settings);
  require(!whole);  // no text is all three
  require(settings.expires_after_days.value_or(0) >= 0);
  return 0;
}

}  // namespace keelwatch::sources
