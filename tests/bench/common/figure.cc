#include "tests/bench/common/figure.h"

#include <cstdio>

namespace keelwatch::bench {
namespace {

std::string number(const std::optional<double>& value) {
  if (!value) return "null";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", *value);
  return text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

void print_json(const Figures& figures) {
  const char* before = "[";
  for (const Figure& f : figures) {
    std::printf(
        "%s{\"what\":%s,\"unit\":%s,\"ours\":%s,\"peer\":%s,\"peer_name\":%s,\"target\":%s,"
        "\"target_ratio\":%s,\"note\":%s}",
        before, quoted(f.what).c_str(), quoted(f.unit).c_str(), number(f.ours).c_str(),
        number(f.peer).c_str(), quoted(f.peer_name).c_str(), number(f.target).c_str(),
        number(f.target_ratio).c_str(), quoted(f.note).c_str());
    before = ",\n ";
  }
  std::printf(figures.empty() ? "[]\n" : "]\n");
}

}  // namespace keelwatch::bench
