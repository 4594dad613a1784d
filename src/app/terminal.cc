#include "app/terminal.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/utf8.h"

namespace keelwatch::app {
namespace {

std::string escaped(std::string_view text, std::string_view allowed) {
  std::string out;
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text[0]);
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      if (allowed.find(text[0]) != std::string_view::npos) {
        out += text[0];
      } else {
        out += fmt::format("\\x{:02x}", byte);
      }
      text.remove_prefix(1);
      continue;
    }
    const auto second = static_cast<unsigned char>(length > 1 ? text[1] : 0);
    if (byte == 0xC2 && second < 0xA0) {
      out += fmt::format("\\u{:04x}", second);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, {}); }

std::string printable_lines(std::string_view text) { return escaped(text, "\n\t"); }

Result<void> print_stdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return {};
  }
  const std::string why = std::generic_category().message(errno);
  std::clearerr(stdout);
  return Error(ErrorCode::kUnavailable, "cannot write to stdout: " + why);
}

int print_data(std::string_view text, int exit_code) {
  const Result<void> printed = print_stdout(text);
  if (printed) return exit_code;
  print_error(printed.error());
  return 1;
}

void print_error(const Error& error) {
  print_stderr(
      fmt::format("keelwatch: {} ({})\n", printable(error.message()), to_string(error.code())));
}

void print_stderr(std::string_view text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

}  // namespace keelwatch::app
