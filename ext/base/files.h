// Files by a pattern, and what tells whether one has changed. Nothing here opens a file: closing a second descriptor of a database would drop this process's
// locks on it.
#pragma once

#include "base/list.h"
#include "base/status.h"

namespace wf {

// What a file system says of a file, by which a later look knows whether it is as it was. Times in nanoseconds since 1970.
struct FileState {
  int64_t inode = 0, size = 0, written = 0, changed = 0;  // written: its bytes; changed: also its name, owner or rights
  bool exists = false;                                    // and is a file
  bool operator==(const FileState&) const = default;
};
// Follows links. Not to be known (no rights) is as not to be there.
FileState state_of(const char* path);

// Paths, each ending in NUL.
class Paths {
 public:
  void add(string_view directory, string_view name);
  size_t size() const { return starts_.size(); }
  const char* operator[](size_t i) const { return text_.view().data() + starts_[i]; }
  // By their bytes, as SQLite's BINARY compares them.
  void sort();
  void fail() { text_.fail(); }
  bool ok() const { return text_.ok() && starts_.ok(); }

 private:
  Text text_;
  List<int64_t> starts_;
};

// The names in a directory ("" or one that ends in '/'), but "." and "..".
void list_directory(string_view directory, Paths* out);
// The paths that match `pattern`, in order: * ? [...] as in SQLite's GLOB, none of them across a '/' (on Windows also '\'); a name that begins with '.' only if
// the pattern says so. Files and directories, and what has no such character whether it is there or not. SQLITE_NOMEM.
Status find_paths(string_view pattern, Paths* out);

}  // namespace wf
