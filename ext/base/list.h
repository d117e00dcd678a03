// List: a growing array of plain values in SQLite's memory; a failed allocation shows in ok().
#pragma once

#include <type_traits>

#include "base/text.h"

namespace wf {

template <class T>
class List {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 8);

 public:
  void add(const T& value) { bytes_.add({reinterpret_cast<const char*>(&value), sizeof value}); }
  size_t size() const { return bytes_.size() / sizeof(T); }
  // Not while the list is not ok(). Valid until the next add().
  T& operator[](size_t i) { return reinterpret_cast<T*>(bytes_.data())[i]; }
  const T& operator[](size_t i) const { return reinterpret_cast<const T*>(bytes_.view().data())[i]; }
  void clear() { bytes_.clear(); }
  bool ok() const { return bytes_.ok(); }

 private:
  Text bytes_;
};

}  // namespace wf
