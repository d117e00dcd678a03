#include <algorithm>

#include "base/json_scan.h"

namespace wf::json {
namespace {

int compare_strings(string_view a, string_view b, Stop* stop) {
  if (stops(stop, std::min(a.size(), b.size()))) return 0;
  if (a == b) return 0;
  if (std::memchr(a.data(), '\\', a.size()) == nullptr && std::memchr(b.data(), '\\', b.size()) == nullptr) {
    return part(a, 1, a.size() - 2).compare(part(b, 1, b.size() - 2));
  }
  Characters in_a(a), in_b(b);
  while (!stops(stop, 1)) {
    string_view next_a, next_b;
    const bool more_a = in_a.next(&next_a), more_b = in_b.next(&next_b);
    if (!more_a || !more_b) return more_a ? 1 : more_b ? -1 : 0;
    if (const int order = next_a.compare(next_b); order != 0) return order;
  }
  return 0;
}

// An object's members in the order of their keys, which are kept as their places in its text: SQLite's texts have less than 2^31 bytes, and a
// member has at least five.
class Sorted {
 public:
  explicit Sorted(Checked object) : object_(object) {
    for (Members m(object); m.next();) ++size_;
    places_ = static_cast<uint32_t*>(sqlite3_malloc64(sizeof(uint32_t) * (size_ + 1)));
    if (places_ == nullptr) return;
    size_t i = 0;
    for (Members m(object); i < size_ && m.next();) places_[i++] = static_cast<uint32_t>(m.key().text().data() - object.text().data());
    size_ = i;
    sort();
  }
  Sorted(const Sorted&) = delete;
  Sorted& operator=(const Sorted&) = delete;
  ~Sorted() { sqlite3_free(places_); }
  bool ok() const { return places_ != nullptr; }
  size_t size() const { return size_; }
  // The member, which next() has to be called for.
  Members operator[](size_t i) const { return Members(object_, places_[i]); }

 private:
  // By a heap: it needs no more memory, and can be left at any time.
  void sort() {
    const auto less = [this](uint32_t a, uint32_t b) {
      Members in_a(object_, a), in_b(object_, b);
      if (!in_a.next_key() || !in_b.next_key()) return false;
      const int order = compare_strings(in_a.key().text(), in_b.key().text(), object_.stop());
      return order != 0 ? order < 0 : a < b;
    };
    std::make_heap(places_, places_ + size_, less);
    for (size_t end = size_; end > 1 && !stops(object_.stop(), 1); --end) std::pop_heap(places_, places_ + end, less);
  }

  Checked object_;
  uint32_t* places_ = nullptr;
  size_t size_ = 0;
};

bool same_objects(Checked a, Checked b, bool* failed) {
  const Sorted in_a(a), in_b(b);
  if (!in_a.ok() || !in_b.ok()) *failed = true;
  if (*failed || in_a.size() != in_b.size()) return false;
  for (size_t i = 0; i < in_a.size(); ++i) {
    Members of_a = in_a[i], of_b = in_b[i];
    if (!of_a.next() || !of_b.next()) return false;
    if (compare_strings(of_a.key().text(), of_b.key().text(), a.stop()) != 0 || !same(of_a.value(), of_b.value(), failed)) return false;
  }
  return true;
}

bool same_arrays(Checked a, Checked b, bool* failed) {
  Elements in_a(a), in_b(b);
  for (;;) {
    const bool more_a = in_a.next(), more_b = in_b.next();
    if (more_a != more_b) return false;
    if (!more_a) return true;
    if (!same(in_a.value(), in_b.value(), failed)) return false;
  }
}

}  // namespace

bool same(Checked a, Checked b, bool* failed) {
  if (!a || !b) return false;
  if (a.text() == b.text()) return true;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::object: return same_objects(a, b, failed);
    case Kind::array: return same_arrays(a, b, failed);
    case Kind::string: return compare_strings(a.text(), b.text(), a.stop()) == 0;
    case Kind::number: return same_number(decimal(a), decimal(b));
    default: return false;
  }
}

Checked repeated_key(Checked object, bool* failed) {
  const Sorted members(object);
  if (!members.ok()) *failed = true;
  for (size_t i = 1; members.ok() && i < members.size(); ++i) {
    Members before = members[i - 1], here = members[i];
    if (before.next_key() && here.next_key() && compare_strings(before.key().text(), here.key().text(), object.stop()) == 0) return here.key();
  }
  return {};
}

}  // namespace wf::json
