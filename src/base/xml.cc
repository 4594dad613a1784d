#include "base/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <pugixml.hpp>

#include "base/utf8.h"

namespace keelwatch {

struct XmlDocument::Impl {
  pugi::xml_document document;
};

namespace {

constexpr unsigned kHow = pugi::parse_minimal | pugi::parse_escapes | pugi::parse_cdata |
                          pugi::parse_eol | pugi::parse_doctype | pugi::parse_fragment |
                          pugi::parse_ws_pcdata_single;

Error malformed(std::size_t at, std::string_view what) {
  return {ErrorCode::kMalformed, fmt::format("XML, byte {}: {}", at, what)};
}

pugi::xml_node node_of(void* node) {
  return pugi::xml_node(static_cast<pugi::xml_node_struct*>(node));
}

// Whether `text`, what stands between "&" and ";", is a reference that needs no document type.
bool is_known_reference(std::string_view text) {
  if (text == "amp" || text == "lt" || text == "gt" || text == "quot" || text == "apos") {
    return true;
  }
  if (!text.starts_with('#')) return false;
  text.remove_prefix(1);
  const int base = text.starts_with('x') ? 16 : 10;
  if (base == 16) text.remove_prefix(1);
  std::uint32_t c = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), c, base);
  if (failed != std::errc() || end != text.data() + text.size()) return false;
  return c != 0 && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

// What pugixml lets through: bytes that are no text, NULs (it takes one for the end), references to
// entities that nobody has declared. And what it would only find after it has taken the memory.
std::optional<Error> check_text(std::string_view text, const XmlLimits& limits) {
  constexpr std::string_view kCdata = "<![CDATA[";
  std::size_t tags = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_sequence_length(text.substr(at));
    const auto c = static_cast<unsigned char>(text[at]);
    if (length == 0) return malformed(at, "not UTF-8 text");
    if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') {
      return malformed(at, fmt::format("control character 0x{:02x}", c));
    }
    if (c == '<' && ++tags > 2 * limits.max_elements) {
      return Error(ErrorCode::kTooLarge,
                   fmt::format("XML of more than {} elements", limits.max_elements));
    }
    if (c == '<' && text.substr(at).starts_with(kCdata)) {
      const std::size_t end = text.find("]]>", at);
      if (end == std::string_view::npos) return malformed(at, "CDATA without an end");
      for (; at < end; ++at) {
        if (text[at] == '\0') return malformed(at, "control character 0x00");
      }
      continue;
    }
    if (c == '&') {
      const std::string_view name = text.substr(at + 1, 10);
      const std::size_t end = name.find(';');
      if (end == std::string_view::npos || !is_known_reference(name.substr(0, end))) {
        return malformed(at, "a reference to an entity that is not XML's own");
      }
    }
    at += length;
  }
  return std::nullopt;
}

std::size_t offset_of(const pugi::xml_node& node) {
  return static_cast<std::size_t>(std::max<std::ptrdiff_t>(node.offset_debug(), 0));
}

// One root, nothing but comments and the like beside it, and not too much inside.
std::optional<Error> check_tree(const pugi::xml_document& document, const XmlLimits& limits) {
  int roots = 0;
  for (const pugi::xml_node& node : document.children()) {
    if (node.type() == pugi::node_doctype) {
      return malformed(offset_of(node), "a document type is not accepted");
    }
    if (node.type() == pugi::node_element) {
      if (++roots > 1) return malformed(offset_of(node), "a second root");
    } else if (std::string_view(node.value()).find_first_not_of(" \t\r\n") !=
               std::string_view::npos) {
      return malformed(offset_of(node), "text outside of the root");
    }
  }
  if (roots == 0) return Error(ErrorCode::kMalformed, "XML without an element");
  std::size_t elements = 0;
  int depth = 0;
  for (pugi::xml_node node = document.first_child(); node;) {
    if (node.type() == pugi::node_element && ++elements > limits.max_elements) {
      return Error(ErrorCode::kTooLarge,
                   fmt::format("XML of more than {} elements", limits.max_elements));
    }
    if (node.first_child()) {
      if (++depth > limits.max_depth) {
        return malformed(offset_of(node),
                         fmt::format("nested deeper than {} levels", limits.max_depth));
      }
      node = node.first_child();
      continue;
    }
    while (node && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    if (node) node = node.next_sibling();
  }
  return std::nullopt;
}

}  // namespace

std::string_view XmlElement::name() const { return node_of(node_).name(); }

std::string XmlElement::text() const {
  std::string text;
  for (const pugi::xml_node& node : node_of(node_).children()) {
    if (node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata) text += node.value();
  }
  return text;
}

XmlElement XmlElement::child(std::string_view name) const {
  for (const pugi::xml_node& node : node_of(node_).children()) {
    if (node.type() == pugi::node_element && name == node.name()) {
      return XmlElement(node.internal_object());
    }
  }
  return {};
}

std::vector<XmlElement> XmlElement::children() const {
  std::vector<XmlElement> all;
  for (const pugi::xml_node& node : node_of(node_).children()) {
    if (node.type() == pugi::node_element) all.push_back(XmlElement(node.internal_object()));
  }
  return all;
}

XmlDocument::XmlDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XmlDocument::~XmlDocument() = default;
XmlDocument::XmlDocument(XmlDocument&&) noexcept = default;
XmlDocument& XmlDocument::operator=(XmlDocument&&) noexcept = default;

XmlElement XmlDocument::root() const {
  return XmlElement(impl_->document.document_element().internal_object());
}

Result<XmlDocument> XmlDocument::parse(std::string_view text, const XmlLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return Error(ErrorCode::kTooLarge, fmt::format("XML larger than {} bytes", limits.max_bytes));
  }
  // A byte order mark: pugixml skips it only when it guesses the encoding.
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (auto refused = check_text(text, limits)) return *std::move(refused);
  auto impl = std::make_unique<Impl>();
  const pugi::xml_parse_result parsed =
      impl->document.load_buffer(text.data(), text.size(), kHow, pugi::encoding_utf8);
  if (!parsed) {
    return malformed(static_cast<std::size_t>(std::max<std::ptrdiff_t>(parsed.offset, 0)),
                     parsed.description());
  }
  if (auto refused = check_tree(impl->document, limits)) return *std::move(refused);
  return XmlDocument(std::move(impl));
}

}  // namespace keelwatch
