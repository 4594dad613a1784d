// What goes to the terminal: data on stdout, everything else on stderr.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace keelwatch::app {

// One line that does nothing to a terminal, whatever a peer has put into the text: control
// characters, C1 (U+0080 to U+009F) included, and bytes that are no UTF-8 are written as \x1b or
// \u009b.
[[nodiscard]] std::string printable(std::string_view text);

// The same for a text of several lines: line breaks and tabs stay.
[[nodiscard]] std::string printable_lines(std::string_view text);

// Writes all of it, past every buffer. kUnavailable if stdout does not take it (a full disk).
[[nodiscard]] Result<void> print_stdout(std::string_view text);

// Prints data and returns the exit code that is given, or says on stderr why it could not be
// printed and returns 1.
[[nodiscard]] int print_data(std::string_view text, int exit_code);

// "keelwatch: MESSAGE (CODE)" on stderr, printable.
void print_error(const Error& error);

// The text as it is; that stderr does not take it is nothing that could be told.
void print_stderr(std::string_view text);

}  // namespace keelwatch::app
