#include <algorithm>

#include "base/json_scan.h"

namespace wf::json {
namespace {

int compare_strings(string_view a, string_view b) {
  if (a == b) return 0;
  if (std::memchr(a.data(), '\\', a.size()) == nullptr && std::memchr(b.data(), '\\', b.size()) == nullptr) {
    return part(a, 1, a.size() - 2).compare(part(b, 1, b.size() - 2));
  }
  Characters in_a(a), in_b(b);
  for (;;) {
    string_view next_a, next_b;
    const bool more_a = in_a.next(&next_a), more_b = in_b.next(&next_b);
    if (!more_a || !more_b) return more_a ? 1 : more_b ? -1 : 0;
    if (const int order = next_a.compare(next_b); order != 0) return order;
  }
}

struct Member {
  string_view key;
  Checked value;
  size_t position;
};

// An object's members in the order of their keys.
class Sorted {
 public:
  explicit Sorted(Checked object) {
    for (Members m(object); m.next();) ++size_;
    members_ = static_cast<Member*>(sqlite3_malloc64(sizeof(Member) * (size_ + 1)));
    if (members_ == nullptr) return;
    size_t i = 0;
    for (Members m(object); m.next(); ++i) members_[i] = {m.key().text(), m.value(), i};
    std::sort(members_, members_ + size_, [](const Member& a, const Member& b) {
      const int order = compare_strings(a.key, b.key);
      return order != 0 ? order < 0 : a.position < b.position;
    });
  }
  Sorted(const Sorted&) = delete;
  Sorted& operator=(const Sorted&) = delete;
  ~Sorted() { sqlite3_free(members_); }
  bool ok() const { return members_ != nullptr; }
  size_t size() const { return size_; }
  const Member& operator[](size_t i) const { return members_[i]; }

 private:
  Member* members_ = nullptr;
  size_t size_ = 0;
};

bool same_objects(Checked a, Checked b, bool* failed) {
  const Sorted in_a(a), in_b(b);
  if (!in_a.ok() || !in_b.ok()) *failed = true;
  if (*failed || in_a.size() != in_b.size()) return false;
  for (size_t i = 0; i < in_a.size(); ++i) {
    if (compare_strings(in_a[i].key, in_b[i].key) != 0 || !same(in_a[i].value, in_b[i].value, failed)) return false;
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
    case Kind::string: return compare_strings(a.text(), b.text()) == 0;
    case Kind::number: return same_number(decimal(a.text()), decimal(b.text()));
    default: return false;
  }
}

}  // namespace wf::json
