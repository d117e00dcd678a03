// Numbers: a growing list of integers in SQLite's memory; a failed allocation shows in ok().
#pragma once

#include <cstring>

#include "base/text.h"

namespace wf {

class Numbers {
 public:
  void add(int64_t number) { bytes_.add({reinterpret_cast<const char*>(&number), sizeof number}); }
  size_t size() const { return bytes_.size() / sizeof(int64_t); }
  int64_t operator[](size_t i) const {
    int64_t number;
    std::memcpy(&number, bytes_.view().data() + i * sizeof number, sizeof number);
    return number;
  }
  bool ok() const { return bytes_.ok(); }

 private:
  Text bytes_;
};

}  // namespace wf
