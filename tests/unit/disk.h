// A disk in memory whose power can be cut.
//
// It is one folder, and the SQLite VFS "disk" keeps its files there. Everything that SQLite does to it is logged: writes and
// truncations of a file, syncs of it, files that come and go, syncs of the folder. cut() makes, of any first part of the log, a
// disk as it may be found after the power came back:
//
//   * what was written to a file before its last sync is there; of what came later each sector is there or not
//   * the folder has what was created and unlinked before its last sync; of what came later a first part
//   * a sync of a file does not sync the folder, unless SQLite's own unix VFS would do so at that moment
//
// One connection at a time: locks are not looked at.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace power {

using Names = std::map<std::string, int>;   // what the folder has: the number of each file

struct Op {
  enum Kind { write, truncate, sync, create, unlink, sync_folder } kind;
  int file = 0;
  int64_t at = 0;         // of a write; the size left by a truncation
  std::string text;       // what was written; the name of what was created or unlinked
};

class Disk {
 public:
  // What is left when the power is cut after the first `count` operations. `luck` is how likely it is that something
  // unsynced is there all the same: from 0 (nothing is) to 1 (everything is).
  std::unique_ptr<Disk> cut(size_t count, double luck, std::mt19937& random) const;

  // What the connections see. The log begins empty: what is there before was synced.
  void apply(Op op);
  std::vector<Op> log;
  std::vector<std::string> start, files;
  Names names_at_start, names;
  // The contents are the start of a new log.
  void settle();
};

// The disk of connections that are opened with the VFS "disk" from now on.
void mount(Disk* disk);

}  // namespace power
