// Problems of a file that our user wrote, all of them at once, each with its place:
//
//   rules/recovery.yaml:14:22: alert KeelwatchBackupTooOld: expr: unknown function "tme"
//         expr: time() - tme(x) > 93600
//                        ^^^ did you mean "time"?
//
// Problems and remedies are lower case without a full stop. Values; one thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace keelwatch {

enum class Severity { kError, kWarning };
[[nodiscard]] std::string_view to_string(Severity severity);  // "error", "warning"

// A place in a text: line and column count from 1, columns and lengths in bytes. Line 0 is the file
// as a whole.
struct SourceSpan {
  int line = 0;
  int column = 0;
  int length = 1;

  bool operator==(const SourceSpan&) const = default;
};

// A file's name and text, without a byte order mark. Copies are cheap and share the text.
class SourceFile {
 public:
  // kHidden: the text holds secrets (a kubeconfig); neither its lines nor its values are shown.
  enum class Text { kShown, kHidden };

  SourceFile(std::string name, std::string text, Text visibility = Text::kShown);

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] bool hidden() const;
  // Without its line break; empty if there is no such line.
  [[nodiscard]] std::string_view line(int number) const;
  [[nodiscard]] SourceSpan span_at(std::size_t offset, std::size_t length = 1) const;
  // The inverse, at most the text's size.
  [[nodiscard]] std::size_t offset_of(SourceSpan span) const;

 private:
  struct Content;
  std::shared_ptr<const Content> content_;
};

// One problem; self-contained, so that problems of many files can be put together.
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  SourceSpan where;
  std::string subject;  // what it is about ("postgres.interval"); may be empty
  std::string problem;
  std::string remedy;  // may be empty
  std::string source_line;

  // The form above: up to three lines, each ended. Control characters are replaced, and of a long
  // source line only the part around the place is shown.
  [[nodiscard]] std::string text() const;

  bool operator==(const Diagnostic&) const = default;
};

class Diagnostics {
 public:
  explicit Diagnostics(SourceFile source) : source_(std::move(source)) {}

  [[nodiscard]] const SourceFile& source() const { return source_; }

  void error(SourceSpan where, std::string subject, std::string problem, std::string remedy = {});
  void warning(SourceSpan where, std::string subject, std::string problem, std::string remedy = {});
  // These lines hold a secret: they are shown in no problem, reported before or from now on.
  void hide_lines(int first, int last);
  // Takes over the problems of another file.
  void append(const Diagnostics& other);

  [[nodiscard]] bool has_errors() const { return errors_ > 0; }
  [[nodiscard]] std::size_t errors() const { return errors_; }
  [[nodiscard]] std::size_t warnings() const { return warnings_; }

  // At most kMaxKept, in the order of their places (those of one file together).
  [[nodiscard]] const std::vector<Diagnostic>& all() const { return all_; }
  // All of them as text, and how many more there were.
  [[nodiscard]] std::string text() const;
  // For callers that hand on a Result: kInvalid with the first error's line and the count of the
  // others. Call it only if has_errors().
  [[nodiscard]] Error to_error() const;

  static constexpr std::size_t kMaxKept =
      200;  // nobody reads more, and a hostile file has millions

 private:
  void report(Severity severity, SourceSpan where, std::string subject, std::string problem,
              std::string remedy);
  void add(Diagnostic diagnostic);

  SourceFile source_;
  std::vector<std::pair<int, int>> hidden_lines_;
  std::vector<Diagnostic> all_;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

// "text" in double quotes for a problem: escapes quotes and control characters, cuts long texts.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace keelwatch
