// Aggregate functions that the queries behind the tables call, and nobody else: each does what takes several of SQLite's, which look at every row one after
// the other, and of a row take whatever a hand edit has made of it.

#include <charconv>

#include "base/text.h"
#include "tables/tables.h"

namespace wf {
namespace {

// What is kept from row to row: zeroes at first. nullptr: there is no memory, which is said.
template <class Kept>
Kept* kept_of(sqlite3_context* context) {
  auto* kept = static_cast<Kept*>(sqlite3_aggregate_context(context, sizeof(Kept)));
  if (kept == nullptr) sqlite3_result_error_nomem(context);
  return kept;
}

// The same at the end. nullptr: there was no row.
template <class Kept>
Kept* kept_at_end(sqlite3_context* context) {
  return static_cast<Kept*>(sqlite3_aggregate_context(context, 0));
}

// The numbers as a JSON array.
void give_array(sqlite3_context* context, std::initializer_list<int64_t> numbers) {
  Text out;
  for (const int64_t number : numbers) out.add(out.size() == 0 ? '[' : ',').add_integer(number);
  out.add(']');
  if (!out.ok()) return sqlite3_result_error_nomem(context);
  sqlite3_result_text64(context, out.view().data(), out.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

// ---- _wf_in_line(due_at, now): how many are due, and the first of the times; without that none is. -------------------------

struct InLine {
  int64_t count, first;
};

void in_line_step(sqlite3_context* context, int, sqlite3_value** argv) {
  auto* kept = kept_of<InLine>(context);
  if (kept == nullptr || sqlite3_value_type(argv[0]) > SQLITE_FLOAT) return;  // (No text and no BLOB is before a number.)
  const int64_t due = sqlite3_value_int64(argv[0]);
  if (due > sqlite3_value_int64(argv[1])) return;
  if (kept->count++ == 0 || due < kept->first) kept->first = due;
}

void in_line_end(sqlite3_context* context) {
  const auto* kept = kept_at_end<InLine>(context);
  if (kept == nullptr || kept->count == 0) return give_array(context, {0});
  give_array(context, {kept->count, kept->first});
}

// ---- _wf_numbered(last number, gone, failed, cancelled, paused), of lanes: how many have completed, failed, were cancelled, are paused. ------------

struct Numbered {
  static constexpr int kColumns = 5;
  int64_t sums[kColumns];
};

void numbered_step(sqlite3_context* context, int, sqlite3_value** argv) {
  constexpr int64_t kMost = (int64_t{1} << 35) - 1;  // there are no more workflows: what is above would overflow
  auto* kept = kept_of<Numbered>(context);
  if (kept == nullptr) return;
  for (int i = 0; i < Numbered::kColumns; ++i) {
    if (sqlite3_value_type(argv[i]) != SQLITE_INTEGER) continue;
    const int64_t number = sqlite3_value_int64(argv[i]);
    if (number > 0 && number <= kMost) kept->sums[i] += number;
  }
}

void numbered_end(sqlite3_context* context) {
  const auto* kept = kept_at_end<Numbered>(context);
  if (kept == nullptr) return give_array(context, {0, 0, 0, 0});
  const auto& [last, gone, failed, cancelled, paused] = kept->sums;
  give_array(context, {last - gone - failed - cancelled, failed, cancelled, paused});
}

// ---- _wf_spread(numbers, a JSON array of them): that in the middle, that which 95 of 100 are not above, and the largest. ------------------------

struct Spread {
  int64_t* numbers;
  int64_t size, room;
};

void spread_step(sqlite3_context* context, int, sqlite3_value** argv) {
  auto* kept = kept_of<Spread>(context);
  if (kept == nullptr) return;
  const auto* at = reinterpret_cast<const char*>(sqlite3_value_text(argv[0]));
  if (at == nullptr) return sqlite3_result_error_nomem(context);
  const char* const end = at + sqlite3_value_bytes(argv[0]);
  const int64_t most = kept->size + (end - at) / 2;  // each has a digit, and a sign before it
  if (most > kept->room) {
    auto* more = static_cast<int64_t*>(sqlite3_realloc64(kept->numbers, static_cast<sqlite3_uint64>(2 * most) * sizeof(int64_t)));
    if (more == nullptr) return sqlite3_result_error_nomem(context);
    kept->numbers = more;
    kept->room = 2 * most;
  }
  while (at < end) {
    int64_t number;
    const auto [after, error] = std::from_chars(at + 1, end, number);
    if (error == std::errc()) kept->numbers[kept->size++] = number;
    at = after;
  }
}

// Shell's way, with gaps that shrink by 9/4: a tenth of the code of std::sort, and for some 100,000 numbers not much slower. (libc++, moreover, has
// std::sort of integers in its library, which the module does without.)
void sort_numbers(int64_t* numbers, int64_t size) {
  for (int64_t gap = size; gap > 1;) {
    gap = gap > 2 ? gap * 4 / 9 : 1;
    for (int64_t i = gap; i < size; ++i) {
      const int64_t number = numbers[i];
      int64_t at = i;
      for (; at >= gap && numbers[at - gap] > number; at -= gap) numbers[at] = numbers[at - gap];
      numbers[at] = number;
    }
  }
}

// (It is called after a failure, too.)
void spread_end(sqlite3_context* context) {
  auto* kept = kept_at_end<Spread>(context);
  if (kept == nullptr) return;
  const int64_t size = kept->size;
  if (size != 0) {
    sort_numbers(kept->numbers, size);
    give_array(context, {kept->numbers[(size + 1) / 2 - 1], kept->numbers[(size * 95 + 99) / 100 - 1], kept->numbers[size - 1]});
  }
  sqlite3_free(kept->numbers);
}

}  // namespace

int register_tallies(sqlite3* handle) {
  struct Tally {
    const char* name;
    int arguments;
    void (*step)(sqlite3_context*, int, sqlite3_value**);
    void (*end)(sqlite3_context*);
  };
  for (const Tally& tally : {Tally{"_wf_in_line", 2, in_line_step, in_line_end}, Tally{"_wf_numbered", Numbered::kColumns, numbered_step, numbered_end}, Tally{"_wf_spread", 1, spread_step, spread_end}}) {
    const int rc = sqlite3_create_function_v2(handle, tally.name, tally.arguments, SQLITE_UTF8 | SQLITE_DIRECTONLY, nullptr, nullptr, tally.step, tally.end, nullptr);
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

}  // namespace wf
