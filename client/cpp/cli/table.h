// Columns that line up, for people.

#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace firekeeper::client::cli {

enum class Align : bool { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

// Thread-compatible.
class Table {
 public:
  explicit Table(std::vector<Column> columns);

  // Requires: one cell for each column. Control characters in it show as "?":
  // what a server sends must not drive the terminal.
  void AddRow(std::vector<std::string> cells);

  // Title line and rows, two blanks between columns, none at the end of a line.
  // Widths are those of code points, so UTF-8 lines up.
  void Print(std::ostream& out) const;

  [[nodiscard]] bool empty() const { return rows_.empty(); }

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// `text` with its control characters replaced by "?".
[[nodiscard]] std::string Printable(std::string text);

}  // namespace firekeeper::client::cli
