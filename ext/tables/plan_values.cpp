// Binding the values of a plan.

#include <charconv>

#include "base/json.h"
#include "tables/plan.h"

namespace wf {
namespace {

// The first millisecond whose text is not before `text`, or with `after` the first one whose text is after it.
Millis first_not_before(string_view text, bool after) {
  Millis low = kTimeMin, high = kTimeMax + 1;
  while (low < high) {
    const Millis middle = low + (high - low) / 2;
    const int order = TimeText(middle, TimeForm::sql).view().compare(text);
    if (order < 0 || (after && order == 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The place of a row inside its workflow that is not above a value, or with `above` not below it.
int64_t place_near(sqlite3_value* value, bool above) {
  constexpr int64_t kMost = (int64_t{1} << 28) - 1;
  switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER: return within(sqlite3_value_int64(value), 0, kMost);
    case SQLITE_FLOAT: {
      const double number = sqlite3_value_double(value);
      if (!(number > 0)) return 0;
      return number >= static_cast<double>(kMost) ? kMost : static_cast<int64_t>(number) + (above ? 1 : 0);
    }
    default: return above ? kMost : 0;  // texts and BLOBs are above every number
  }
}

// The values of an IN, one after the other.
class InValues {
 public:
  explicit InValues(sqlite3_value* list) : list_(list) {}
  sqlite3_value* next() {
    sqlite3_value* item = nullptr;
    const int rc = begun_ ? sqlite3_vtab_in_next(list_, &item) : sqlite3_vtab_in_first(list_, &item);
    begun_ = true;
    return rc == SQLITE_OK ? item : nullptr;
  }

 private:
  sqlite3_value* list_;
  bool begun_ = false;
};

// The number of parameters for the values of an IN that has only a few: a power of two, so that there are not as many different queries as
// numbers of values. -1: they are many.
int few_parameters(sqlite3_value* list) {
  InValues values(list);
  int count = 0, parameters = 0;
  for (; values.next() != nullptr; ++count) {
    if (count < parameters) continue;
    if (parameters == 8) return -1;
    parameters = parameters == 0 ? 1 : 2 * parameters;
  }
  return parameters;
}

// All values of an IN as a JSON array; a BLOB or NULL equals no text and no number.
Status in_values(sqlite3_value* list, Stop& stop, Text& out) {
  out.add('[');
  bool first = true;
  InValues values(list);
  while (sqlite3_value* item = values.next()) {
    const Value value = Value::from(item);
    if (stop.after(value.bytes.size() + 100)) return Status::sqlite(SQLITE_INTERRUPT);
    if (value.is_null() || value.type == Value::Type::blob) continue;
    if (!first) out.add(',');
    value.type == Value::Type::text ? json::quote(value.bytes, out, &stop) : add_json(value, out);
    first = false;
  }
  out.add(']');
  return out.ok() ? Status() : Status::no_memory();
}

// How many parameters of the query a letter of the plan stands for.
int parameters_of(char letter) { return letter == 't' ? 0 : string_view("E1mMkb").find(letter) != string_view::npos ? 2 : 1; }

// Of a time of creation the letter of a time.
char time_of(char letter) { return letter >= '1' && letter <= '5' ? "EGgLl"[letter - '1'] : letter; }

// The name of a parameter: ":p3", or ":p3_1" for the second value of a short IN.
class ParameterName {
 public:
  explicit ParameterName(int number, int value = -1) {
    char* end = std::to_chars(text_ + 2, text_ + 8, number).ptr;
    if (value >= 0) {
      *end++ = '_';
      end = std::to_chars(end, end + 4, value).ptr;
    }
    *end = '\0';
    size_ = static_cast<size_t>(end - text_);
  }
  const char* c_str() const { return text_; }
  string_view view() const { return {text_, size_}; }

 private:
  char text_[16] = ":p";
  size_t size_;
};

// Binds the values SQLite gives for the plan's letters.
class Binder {
 public:
  Binder(Db& db, Query& query, CreatedSpan* created) : db_(db), query_(query), stop_(db.stop()), created_(created) {}

  Status bind(char coded, sqlite3_value* value) {
    const char letter = time_of(coded);
    of_creation_ = letter != coded;
    if (letter == 't') return {};
    if (letter == 'k' || letter == 'b') return bind_beginning(letter == 'k', Value::from(value));
    if (letter == 'v' || letter == 's' || letter == 'q' || letter == 'n') {
      next(Value::from(value));
      return {};
    }
    if (letter == 'm' || letter == 'M') {
      next(Value::from(value));
      next(Value::of(place_near(value, letter == 'M')));
      return {};
    }
    if (letter == 'i') return bind_in(value);
    if (sqlite3_value_type(value) == SQLITE_BLOB || sqlite3_value_type(value) == SQLITE_NULL) {
      // Nothing is known: SQLite looks at every row itself.
      if (letter == 'E') next(Value::of(kTimeMin));
      next(Value::of(letter == 'G' || letter == 'g' ? kTimeMin : kTimeMax));
      return {};
    }
    const string_view text(reinterpret_cast<const char*>(sqlite3_value_text(value)), static_cast<size_t>(sqlite3_value_bytes(value)));
    switch (letter) {
      case 'G': from(first_not_before(text, false)); break;
      case 'g': from(first_not_before(text, true)); break;
      case 'L': to(first_not_before(text, true) - 1); break;
      case 'l': to(first_not_before(text, false) - 1); break;
      default:
        from(first_not_before(text, false));
        to(first_not_before(text, true) - 1);
    }
    return {};
  }

 private:
  void next(const Value& value) { query_.bind_copy(SqlParameter::by_name(ParameterName(++parameter_).c_str()), value); }

  void from(Millis time) {
    next(Value::of(time));
    if (of_creation_ && time > created_->from) created_->from = time;
  }
  void to(Millis time) {
    next(Value::of(time));
    if (of_creation_ && time < created_->to) created_->to = time;
  }

  Status bind_beginning(bool like, const Value& pattern) {
    Text low, high;
    bool bounded;
    WF_TRY(bounds_of_pattern(db_, like, pattern, low, high, &bounded));
    next(Value::text(low.view()));
    next(bounded ? Value::text(high.view()) : Value::blob({}));
    return {};
  }

  // As query_with_values() has written it: each value is a parameter, or all are one.
  Status bind_in(sqlite3_value* list) {
    if (!query_.has(SqlParameter::by_name(ParameterName(parameter_ + 1, 0).c_str()))) {
      Text array;
      WF_TRY(in_values(list, stop_, array));
      next(Value::text(array.view()));
      return {};
    }
    ++parameter_;
    InValues values(list);
    for (int k = 0;; ++k) {
      const ParameterName name(parameter_, k);
      sqlite3_value* item = values.next();
      if (item == nullptr) {  // what is left over repeats them
        if (!query_.has(SqlParameter::by_name(name.c_str()))) return {};
        values = InValues(list);
        item = values.next();
      }
      query_.bind_copy(SqlParameter::by_name(name.c_str()), Value::from(item));
    }
  }

  Db& db_;
  Query& query_;
  Stop& stop_;
  CreatedSpan* created_;
  bool of_creation_ = false;
  int parameter_ = 0;
};

}  // namespace

string_view query_of(const char* plan, bool second) {
  const string_view both(std::strchr(plan, '\n') + 1);
  const size_t end = both.find(kSecondQuery[0]);
  return second ? part(both, end + 1) : part(both, 0, end == string_view::npos ? both.size() : end);
}

bool has_values_in_text(const char* plan) {
  const string_view letters(letters_of(plan), static_cast<size_t>(std::strchr(plan, '\n') - letters_of(plan)));
  return letters.find_first_of("is") != string_view::npos || string_view(plan).find(kSomePlace[0]) != string_view::npos;
}

Status query_with_values(Db& db, const char* plan, bool second, int argc, sqlite3_value** argv, Text& out) {
  const char* letters = letters_of(plan);
  string_view rest = query_of(plan, second);
  out.make_room(rest.size() + 100);
  for (int i = 0, parameter = 0; i < argc; ++i) {
    parameter += parameters_of(letters[i]);
    const bool is_status = letters[i] == 's';
    if (!is_status && letters[i] != 'i') continue;
    const int few = is_status ? 0 : few_parameters(argv[i]);
    if (few < 0) continue;
    const ParameterName named(parameter);
    const string_view name = named.view();
    const size_t at = rest.find(name) - (is_status ? 0 : string_view(kValuesBegin).size());
    if (is_status) {
      const Value status = Value::from(argv[i]);
      Text text;
      if (status.type != Value::Type::text || !add_status(status.bytes, text)) continue;
      if (!text.ok()) return Status::no_memory();
      out.add(part(rest, 0, at)).add(text.view());
      rest = part(rest, at + name.size());
      continue;
    }
    out.add(part(rest, 0, at)).add('(');
    for (int k = 0; k < few; ++k) out.add(string_view(k == 0 ? "" : ",")).add(ParameterName(parameter, k).view());
    out.add(')');
    rest = part(rest, at + string_view(kValuesBegin).size() + name.size() + string_view(kValuesEnd).size());
  }
  const size_t some = rest.find(kSomePlace[0]);
  if (some != string_view::npos) {
    out.add(part(rest, 0, some));
    const size_t before = out.size();
    WF_TRY(add_some(db, letters, argc, argv, out));
    rest = part(rest, some + 1);
    constexpr string_view kAnd = " AND ";
    if (out.size() != before && has_prefix(rest, kBounds)) {  // of the two, SQLite is to find them by this one
      out.add(kAnd).add('+');
      rest = part(rest, kAnd.size());
    }
  }
  out.add(rest);
  return out.ok() ? Status() : Status::no_memory();
}

Status bind_values(Db& db, const char* plan, int argc, sqlite3_value** argv, Query& query, CreatedSpan* created) {
  Binder binder(db, query, created);
  for (int i = 0; i < argc; ++i) WF_TRY(binder.bind(letters_of(plan)[i], argv[i]));
  return {};
}

}  // namespace wf
