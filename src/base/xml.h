// XML documents of peers, read whole into a tree that does not change: bounded in bytes, elements
// and depth, with an error that names the byte. What no peer of ours sends is refused instead of
// interpreted: a document type, entities other than XML's own five and character references,
// encodings other than UTF-8, more than one root. pugixml is used nowhere else.
// Threads: a document and its elements may be read from any; elements live as long as it does.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace keelwatch {

struct XmlLimits {
  std::size_t max_bytes = 8U << 20U;
  std::size_t max_elements = 100'000;
  int max_depth = 32;
};

// An element, or none: the children of none are none, its name and text empty.
class XmlElement {
 public:
  XmlElement() = default;

  [[nodiscard]] explicit operator bool() const { return node_ != nullptr; }
  [[nodiscard]] std::string_view name() const;  // as written, prefix included
  // All text directly inside, references and CDATA resolved; blanks kept.
  [[nodiscard]] std::string text() const;
  // The first child element of that name, or none.
  [[nodiscard]] XmlElement child(std::string_view name) const;
  // All child elements, in the document's order.
  [[nodiscard]] std::vector<XmlElement> children() const;

 private:
  friend class XmlDocument;
  explicit XmlElement(void* node) : node_(node) {}
  void* node_ = nullptr;  // pugi::xml_node_struct
};

class XmlDocument {
 public:
  ~XmlDocument();
  XmlDocument(XmlDocument&&) noexcept;
  XmlDocument& operator=(XmlDocument&&) noexcept;

  // Errors: kMalformed ("XML, byte 120: ..."), kTooLarge.
  [[nodiscard]] static Result<XmlDocument> parse(std::string_view text,
                                                 const XmlLimits& limits = {});

  [[nodiscard]] XmlElement root() const;

 private:
  struct Impl;
  explicit XmlDocument(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelwatch
