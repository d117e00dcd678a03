// Value: what SQLite stores in one column, seen through a view. It owns nothing; text and BLOBs live where they came from.
#pragma once

#include "base/text.h"

namespace wf {

struct Value {
  enum class Type : char { null, integer, real, text, blob };

  Type type = Type::null;
  int64_t integer = 0;
  double real = 0;
  string_view bytes;  // of text and blob

  static Value of(int64_t number) { return {Type::integer, number, 0, {}}; }
  static Value of(double number) { return {Type::real, 0, number, {}}; }
  static Value text(string_view bytes) { return {Type::text, 0, 0, bytes}; }
  static Value blob(string_view bytes) { return {Type::blob, 0, 0, bytes}; }
  static Value from(sqlite3_value* value);

  bool is_null() const { return type == Type::null; }
  // The type as users know it: "NULL", "an integer", "a real", "text", "a BLOB".
  const char* type_name() const;
};

// How deep a value inside of a result may be: what stands around it (the array of claims, their steps, a join) has room.
constexpr int kMaxInnerDepth = 990;

// Appends a value to a JSON result: JSON text as it is, numbers as JSON numbers, a BLOB as {"$blob":"<hex>"}, NULL as null. The one way of what is
// stored into a result, which parses whatever a hand edit has made of it: text that is no JSON, or that has more
// than `depth` levels, becomes {"$text":"<it>"}. With a Stop where it may be long; when stopped, `out` is failed.
void add_json(const Value& value, Text& out, Stop* stop = nullptr, int depth = kMaxInnerDepth);

}  // namespace wf
