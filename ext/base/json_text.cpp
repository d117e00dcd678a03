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

void unquote(Checked string, Text& out) {
  if (!string.is(Kind::string)) return;
  Characters characters(string.text());
  for (string_view next; characters.next(&next);) out.add(next);
}

void unquote_shown(Checked string, Text& out) {
  if (!string.is(Kind::string)) return;
  Characters characters(string.text());
  for (string_view next; characters.next(&next);) out.add(utf8_length(next) != 0 ? next : string_view("\xef\xbf\xbd"));
}

void quote(string_view text, Text& out) {
  out.add('"');
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(part(text, i));
    const auto c = static_cast<unsigned char>(text[i]);
    if (length == 0) {
      out.add("\xef\xbf\xbd");
      ++i;
      continue;
    }
    if (c == '"' || c == '\\') {
      out.add('\\').add(static_cast<char>(c));
    } else if (c == '\n') {
      out.add("\\n");
    } else if (c == '\r') {
      out.add("\\r");
    } else if (c == '\t') {
      out.add("\\t");
    } else if (c < 0x20) {
      out.add("\\u00").add_hex(&c, 1);
    } else {
      out.add(part(text, i, length));
    }
    i += length;
  }
  out.add('"');
}

}  // namespace wf::json
