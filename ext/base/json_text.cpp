#include "base/json_scan.h"

namespace wf::json {
namespace {

// The UTF-8 of a character, in `bytes`.
string_view utf8(unsigned point, char (&bytes)[4]) {
  size_t size;
  if (point < 0x80) {
    bytes[0] = static_cast<char>(point);
    size = 1;
  } else if (point < 0x800) {
    bytes[0] = static_cast<char>(0xc0 | point >> 6);
    bytes[1] = static_cast<char>(0x80 | (point & 0x3f));
    size = 2;
  } else if (point < 0x10000) {
    bytes[0] = static_cast<char>(0xe0 | point >> 12);
    bytes[1] = static_cast<char>(0x80 | (point >> 6 & 0x3f));
    bytes[2] = static_cast<char>(0x80 | (point & 0x3f));
    size = 3;
  } else {
    bytes[0] = static_cast<char>(0xf0 | point >> 18);
    bytes[1] = static_cast<char>(0x80 | (point >> 12 & 0x3f));
    bytes[2] = static_cast<char>(0x80 | (point >> 6 & 0x3f));
    bytes[3] = static_cast<char>(0x80 | (point & 0x3f));
    size = 4;
  }
  return {bytes, size};
}

unsigned unit_at(string_view text, size_t at) {
  unsigned unit = 0;
  for (size_t i = 0; i < 4; ++i) unit = unit << 4 | static_cast<unsigned>(hex_digit(text[at + i]));
  return unit;
}

}  // namespace

bool Characters::next(string_view* out) {
  if (at_ >= text_.size()) return false;
  if (text_[at_] != '\\') {
    const size_t from = at_++;
    while (at_ < text_.size() && text_[at_] != '\\' && (text_[at_] & 0xc0) == 0x80) ++at_;
    *out = part(text_, from, at_ - from);
    return true;
  }
  const char escaped = text_[at_ + 1];
  at_ += 2;
  unsigned point;
  switch (escaped) {
    case 'b': point = '\b'; break;
    case 'f': point = '\f'; break;
    case 'n': point = '\n'; break;
    case 'r': point = '\r'; break;
    case 't': point = '\t'; break;
    case 'u':
      point = unit_at(text_, at_);
      at_ += 4;
      if (point >= 0xd800 && point < 0xdc00 && part(text_, at_, 2) == "\\u") {
        const unsigned low = unit_at(text_, at_ + 2);
        if (low >= 0xdc00 && low < 0xe000) {
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
          at_ += 6;
        }
      }
      break;
    default: point = static_cast<unsigned char>(escaped);
  }
  *out = utf8(point, buffer_);
  return true;
}

namespace {

// The characters of a string, between one escape and the next at once. `shown`: no half of a surrogate pair.
void add_unquoted(Checked string, bool shown, Text& out) {
  if (!string.is(Kind::string)) return;
  string_view rest = part(string.text(), 1, string.text().size() - 2);
  while (!rest.empty()) {
    const string_view piece = part(rest, 0, Stop::kStride);
    const auto* escape = static_cast<const char*>(std::memchr(piece.data(), '\\', piece.size()));
    size_t used = escape != nullptr ? static_cast<size_t>(escape - piece.data()) : piece.size();
    out.add(part(piece, 0, used));
    if (escape != nullptr) {
      Characters characters(rest, used);
      string_view next;
      (void)characters.next(&next);
      out.add(!shown || utf8_length(next) != 0 ? next : string_view("\xef\xbf\xbd"));
      used = characters.at();
    }
    rest = part(rest, used);
    if (stops(string.stop(), used)) return out.fail();
  }
}

// What a character becomes within quotes, if it does not stay as it is.
string_view escaped(unsigned char c, char (&buffer)[6]) {
  static const char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
  }
  std::memcpy(buffer, "\\u00", 4);
  buffer[4] = kDigits[c >> 4];
  buffer[5] = kDigits[c & 15];
  return {buffer, sizeof buffer};
}

// Walks text that is to be quoted, in pieces: runs that stay as they are, and what else there is in their place.
class Quoter : Place {
 public:
  Quoter(string_view text, Stop* stop) : Place(text, stop) {}

  // The next piece; empty at the end, and where the call is stopped.
  string_view next() {
    const size_t from = at_;
    while (more() && at_ - from < Stop::kStride) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      const bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
      const size_t length = plain || c < 0x80 ? plain : utf8_length(part(text_, at_));
      if (length != 0) {
        at_ += length;
        continue;
      }
      if (at_ != from) break;
      ++at_;
      return c < 0x80 ? escaped(c, buffer_) : string_view("\xef\xbf\xbd");
    }
    return part(text_, from, at_ - from);
  }
  bool is_done() { return !is_stopped() && at_ >= text_.size(); }

 private:
  char buffer_[6];
};

}  // namespace

void unquote(Checked string, Text& out) { add_unquoted(string, false, out); }
void unquote_shown(Checked string, Text& out) { add_unquoted(string, true, out); }

void quote(string_view text, Text& out, Stop* stop) {
  // What is long is measured first: twice as much memory as it needs is what its growth may take.
  if (text.size() > Stop::kStride) {
    size_t size = 2;
    Quoter measured(text, stop);
    for (string_view piece; !(piece = measured.next()).empty();) size += piece.size();
    if (!measured.is_done()) return out.fail();
    out.make_room(size);
  }
  out.add('"');
  Quoter quoted(text, stop);
  for (string_view piece; !(piece = quoted.next()).empty();) out.add(piece);
  if (!quoted.is_done()) return out.fail();
  out.add('"');
}

}  // namespace wf::json
