#include "sources/object_store/s3_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/time_text.h"
#include "base/xml.h"

namespace keelwatch::sources {
namespace {

Error malformed(std::string text) { return {ErrorCode::kMalformed, std::move(text)}; }

// A key in an error's text: a hostile one must not fill it.
std::string shown(std::string_view key) {
  constexpr std::size_t kMost = 200;
  return fmt::format("\"{}{}\"", key.substr(0, kMost), key.size() > kMost ? "..." : "");
}

Result<XmlDocument> parse_document(std::string_view xml, std::string_view root) {
  Result<XmlDocument> document = XmlDocument::parse(xml);
  if (!document) return document;
  if (document->root().name() != root) {
    return malformed(fmt::format("{} instead of {}", shown(document->root().name()), root));
  }
  return document;
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// encoding-type=url: S3 and MinIO write a space as '+', others as %20.
Result<std::string> decode_url(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return malformed("key " + shown(text) + " is not percent-encoded");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

class PageDecoder {
 public:
  PageDecoder(XmlElement root, const S3ListRequest& request)
      : root_(root), request_(request), encoded_(root.child("EncodingType").text() == "url") {}

  Result<S3Page> decode() {
    for (const XmlElement& element : root_.children()) {
      Result<void> taken;
      if (element.name() == "Contents") taken = take_object(element);
      if (element.name() == "CommonPrefixes") taken = take_prefixes(element);
      if (!taken) return taken.error();
    }
    if (auto ended = take_end(); !ended) return ended.error();
    return std::move(page_);
  }

 private:
  Result<std::string> name_in(const XmlElement& element, const char* what) const {
    const XmlElement child = element.child(what);
    std::string text = child.text();
    if (text.empty()) return malformed(fmt::format("{} without a {}", element.name(), what));
    if (!encoded_) return text;
    return decode_url(text);
  }

  Result<void> check(const std::string& name, const std::string* before) const {
    if (!name.starts_with(request_.prefix)) {
      return malformed(fmt::format("{} is listed and does not begin with the prefix {}",
                                   shown(name), shown(request_.prefix)));
    }
    if (before && name <= *before) {
      return malformed(fmt::format("{} is listed behind {}: the keys are not sorted", shown(name),
                                   shown(*before)));
    }
    return {};
  }

  Result<void> take_object(const XmlElement& element) {
    Result<std::string> key = name_in(element, "Key");
    if (!key) return key.error();
    const auto bytes = number_of(element.child("Size").text());
    if (!bytes) return malformed("no size of " + shown(*key));
    const auto checked = check(*key, page_.objects.empty() ? nullptr : &page_.objects.back().key);
    if (!checked) return checked;
    if (*key <= request_.start_after && !request_.start_after.empty()) {
      return malformed(fmt::format("{} is listed and is not after {}", shown(*key),
                                   shown(request_.start_after)));
    }
    S3Object object{*std::move(key), *bytes, std::nullopt, element.child("StorageClass").text()};
    if (const XmlElement modified = element.child("LastModified")) {
      const Result<WallTime> time = parse_rfc3339(modified.text());
      if (!time) return time.error().context("LastModified of " + shown(object.key));
      object.modified = *time;
    }
    page_.objects.push_back(std::move(object));
    return {};
  }

  Result<void> take_prefixes(const XmlElement& element) {
    Result<std::string> prefix = name_in(element, "Prefix");
    if (!prefix) return prefix.error();
    const auto checked = check(*prefix, page_.prefixes.empty() ? nullptr : &page_.prefixes.back());
    if (!checked) return checked;
    if (request_.delimiter.empty() || !prefix->ends_with(request_.delimiter)) {
      return malformed("common prefix " + shown(*prefix) + " does not end with the delimiter");
    }
    page_.prefixes.push_back(*std::move(prefix));
    return {};
  }

  Result<void> take_end() {
    const std::string truncated = root_.child("IsTruncated").text();
    if (truncated != "true" && truncated != "false") {
      return malformed("a listing that does not say whether it is the last page");
    }
    // Some of the servers count only the objects.
    const auto told = number_of(root_.child("KeyCount").text());
    if (told && std::cmp_greater(*told, page_.objects.size() + page_.prefixes.size())) {
      return malformed(fmt::format("a listing of {} keys with {} in it", *told,
                                   page_.objects.size() + page_.prefixes.size()));
    }
    if (truncated == "false") return {};
    page_.next = root_.child("NextContinuationToken").text();
    if (page_.next.empty()) return malformed("a listing that goes on and does not say where");
    if (page_.next == request_.continuation) {
      return malformed("a listing that goes on where it began");
    }
    return {};
  }

  const XmlElement root_;
  const S3ListRequest& request_;
  const bool encoded_;
  S3Page page_;
};

// A lifecycle rule's prefix: "" reaches everything.
std::string prefix_of(const XmlElement& rule) {
  const XmlElement filter = rule.child("Filter");
  const XmlElement both = filter.child("And");
  for (const XmlElement& place : {both, filter, rule}) {
    if (place.child("Prefix")) return place.child("Prefix").text();
  }
  return {};
}

// <Days>, or the days until <Date>; nothing for an element that has neither (it is about delete
// markers).
Result<std::optional<std::int64_t>> days_of(const XmlElement& element, WallTime now) {
  if (const XmlElement days = element.child("Days")) {
    const auto number = number_of(days.text());
    if (!number) return malformed("lifecycle: Days " + shown(days.text()));
    return number;
  }
  if (const XmlElement date = element.child("Date")) {
    constexpr std::size_t kDateAlone = std::string_view("2026-11-24").size();
    std::string text = date.text();
    if (text.size() == kDateAlone) text += "T00:00:00Z";  // Garage
    const Result<WallTime> at = parse_rfc3339(text);
    if (!at) return at.error().context("lifecycle: Date");
    const auto days = std::chrono::ceil<std::chrono::days>(*at - now).count();
    return std::optional<std::int64_t>(std::max<std::int64_t>(days, 0));
  }
  return std::optional<std::int64_t>();
}

void keep_least(std::optional<std::int64_t>& least, std::optional<std::int64_t> days) {
  if (days && (!least || *days < *least)) least = days;
}

Result<void> take_rule(const XmlElement& rule, WallTime now, model::BucketSettings& into) {
  for (const XmlElement& action : rule.children()) {
    const bool expires = action.name() == "Expiration";
    const std::string to = action.child("StorageClass").text();
    const bool archives =
        action.name() == "Transition" && (to == "GLACIER" || to == "DEEP_ARCHIVE");
    if (!expires && !archives) continue;
    const auto days = days_of(action, now);
    if (!days) return days.error();
    keep_least(expires ? into.expires_after_days : into.archives_after_days, *days);
  }
  return {};
}

}  // namespace

Result<S3Page> decode_page(std::string_view xml, const S3ListRequest& request) {
  const Result<XmlDocument> document = parse_document(xml, "ListBucketResult");
  if (!document) return document.error();
  return PageDecoder(document->root(), request).decode();
}

S3Refusal decode_refusal(int status, std::string_view body, std::string_view region_header) {
  constexpr std::size_t kMostWords = 300;
  S3Refusal refusal;
  refusal.status = status;
  refusal.region = region_header.substr(0, 64);
  refusal.wordless = body.empty();
  const Result<XmlDocument> document = XmlDocument::parse(body);
  if (!document) return refusal;
  const XmlElement error = document->root();
  if (error.name() != "Error") return refusal;
  refusal.code = error.child("Code").text().substr(0, 100);
  refusal.message = error.child("Message").text().substr(0, kMostWords);
  if (refusal.region.empty()) refusal.region = error.child("Region").text().substr(0, 64);
  // Garage has one code for all of these (src/api/common/signature).
  if (refusal.code == "AccessDenied") {
    if (refusal.message.ends_with("Invalid signature")) refusal.code = "SignatureDoesNotMatch";
    if (refusal.message.find("No such key: ") != std::string::npos) {
      refusal.code = "InvalidAccessKeyId";
    }
  }
  return refusal;
}

bool is_listing(std::string_view xml) {
  return parse_document(xml, "ListBucketResult").has_value();
}

Result<void> decode_versioning(std::string_view xml, model::BucketSettings& into) {
  const Result<XmlDocument> document = parse_document(xml, "VersioningConfiguration");
  if (!document) return document.error();
  into.versioning = document->root().child("Status").text() == "Enabled";
  return {};
}

Result<void> decode_object_lock(std::string_view xml, model::BucketSettings& into) {
  const Result<XmlDocument> document = parse_document(xml, "ObjectLockConfiguration");
  if (!document) return document.error();
  into.object_lock = document->root().child("ObjectLockEnabled").text() == "Enabled";
  return {};
}

Result<void> decode_lifecycle(std::string_view xml, std::string_view prefix, WallTime now,
                              model::BucketSettings& into) {
  const Result<XmlDocument> document = parse_document(xml, "LifecycleConfiguration");
  if (!document) return document.error();
  for (const XmlElement& rule : document->root().children()) {
    if (rule.name() != "Rule" || rule.child("Status").text() != "Enabled") continue;
    const std::string of_rule = prefix_of(rule);
    if (!prefix.starts_with(of_rule) && !of_rule.starts_with(prefix)) continue;
    if (auto taken = take_rule(rule, now, into); !taken) return taken;
  }
  return {};
}

}  // namespace keelwatch::sources
