// JSON (RFC 8259, at most 1,000 levels deep, as deep as every SQLite can read it): check, walk, compare, write.
//
//   const json::Checked settings = json::check(text, &db.stop());           // nothing there if it is not valid JSON
//   for (json::Members m(settings); m.next();) use(m.key(), m.value());     // an object's members; of anything else none
//   for (json::Elements e(settings); e.next();) use(e.value());             // an array's elements; of anything else none
//
// One gate: only check() makes a Checked out of text, and only what is Checked can be walked or converted. So text that comes from a caller, and
// text that is stored and may have been changed by hand, is looked at before anything else, and what no JSON is has no members.
// Nothing here copies but unquote(); views point into the text given.
//
// The gate also knows how a call is stopped (base/stop.h): what takes long with what is Checked looks now and then, and gives up. It has a Stop
// wherever the text may be long; nullptr is for what the engine itself has written, and kept short.
#pragma once

#include "base/status.h"
#include "base/stop.h"
#include "base/text.h"

namespace wf::json {

constexpr int kMaxDepth = 1000;

enum class Kind : char { none, null, boolean, number, string, array, object };

// One JSON value, known to be valid, or none.
class Checked {
 public:
  Checked() = default;

  explicit operator bool() const { return !text_.empty(); }
  Kind kind() const;
  bool is(Kind wanted) const { return kind() == wanted; }
  // As it was written, without white space around it; empty if there is none.
  string_view text() const { return text_; }
  // What it was checked with.
  Stop* stop() const { return stop_; }

 private:
  friend Checked check(string_view text, Stop* stop, int depth);
  friend class Members;
  friend class Elements;
  Checked(string_view valid, Stop* stop) : text_(valid), stop_(stop) {}

  string_view text_;
  Stop* stop_ = nullptr;
};

// The value that `text` is, white space around it allowed, in valid UTF-8, at most `depth` levels deep; none if it is anything else.
Checked check(string_view text, Stop* stop, int depth = kMaxDepth);
inline bool valid(string_view text, Stop* stop) { return static_cast<bool>(check(text, stop)); }

// What to say of a text that is no JSON but was meant to be, as the dict of a language that was not dumped; else nothing. It follows the text.
const char* hint(string_view no_json);

// Whether two values are the same: white space, the order of an object's members, the notation of numbers (1 = 1.0 = 1e0) and of strings
// (escapes) do not matter. False on a failed allocation, with `*failed` set. Beside the values it takes at most as many bytes as they have.
bool same(Checked a, Checked b, bool* failed);
// A key that the object has more than once, written however; none if it has no such key. `*failed` as above. Takes n log n, as same() does.
Checked repeated_key(Checked object, bool* failed);

// Appends the text of a JSON string to `out`; of anything else nothing. Half of a surrogate pair ("\ud83d"), which no text has, becomes bytes that
// are no UTF-8, so that a name with it is refused like one of such bytes, and two that differ in it differ.
void unquote(Checked string, Text& out);
// The same for SQL statements and for people: half of a pair becomes U+FFFD.
void unquote_shown(Checked string, Text& out);
// Appends `text` as a JSON string; a byte that is not UTF-8 becomes U+FFFD. With a Stop where the text may be long; when stopped, `out` is failed.
void quote(string_view text, Text& out, Stop* stop = nullptr);

// The number as an integer, if it is one and fits: 3, 3.0, 0.3e1. All of these say no to what is no number.
bool to_integer(Checked number, int64_t* out);
// The number times 1,000, rounded half up; false if it does not fit into 63 bits.
bool to_thousandths(Checked number, int64_t* out);
// The same of digits with at most one point among them.
bool to_thousandths(string_view digits, int64_t* out);
// The nearest double, within a few units in the last place; 0 if it is no number.
double to_real(Checked number);

// Walks the members of an object, in order.
class Members {
 public:
  explicit Members(Checked object);
  // From the member on whose key is at `place` of the object's text.
  Members(Checked object, size_t place);
  bool next();
  // Its key alone, after which there is no next().
  bool next_key();
  Checked key() const { return {key_, stop_}; }
  Checked value() const { return {value_, stop_}; }
  bool key_is(string_view name) const;   // compares after unescaping

 private:
  string_view rest_, key_, value_;
  Stop* stop_;
};

// Walks the elements of an array, in order.
class Elements {
 public:
  explicit Elements(Checked array);
  bool next();
  Checked value() const { return {value_, stop_}; }

 private:
  string_view rest_, value_;
  Stop* stop_;
};

// An array in portions, arrays themselves, for SQL that reads one: SQLite's json_each takes many times the length of its text, and reads all of it
// in one go, which nothing interrupts.
//
//   for (json::Portions p(names, stop);;) {
//     bool more;
//     WF_TRY(p.next(&more));
//     if (!more) break;
//     use(p.text());
//   }
class Portions {
 public:
  Portions(string_view array, Stop* stop) : elements_(check(array, stop)) {}
  Status next(bool* more);
  string_view text() const { return text_.view(); }
  int64_t first() const { return first_; }   // how many elements stand before it
  int64_t count() const { return count_; }   // how many it has

 private:
  Elements elements_;
  Text text_;
  int64_t first_ = 0, count_ = 0;
};

}  // namespace wf::json
