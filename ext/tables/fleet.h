// wf_fleet: what many files say of themselves, one row each.
//
//   SELECT * FROM wf_fleet('agents/*.db');              -- looks into each
//   SELECT * FROM wf_fleet('agents/*.db', 'fleet.idx'); -- only into those that have changed since, or want something now
//
// Each file is opened by a connection of its own, which only reads, one after the other, through the library and the VFS of the connection that asks: so no lock
// of this process is lost when it is closed. A file at which nobody is (it has no -wal) is read without a lock, which leaves nothing beside it; its state
// before and after says whether it held still, else it is read again as any reader would.
#pragma once

#include "base/db.h"
#include "base/files.h"

namespace wf {

enum class FleetColumn : char { file, error, next_due, ready, running, waiting, failed, in_doubt, epoch, size, glob, index };

class Fleet {
 public:
  // Looks at the files that match `pattern`; `index`: a file that keeps what was seen, made where there is none, or empty. WF_INVALID; what is wrong with one
  // of the files is in its row.
  Status look(Db& db, string_view pattern, string_view index);

  size_t size() const { return rows_.size(); }
  const char* file(size_t row) const { return paths_[static_cast<size_t>(rows_[row].path)]; }
  // nullptr: nothing is wrong.
  const char* error(size_t row) const { return rows_[row].error < 0 ? nullptr : errors_.view().data() + rows_[row].error; }
  // Of the columns between error and glob; kNoTime: not known, or never.
  int64_t number(size_t row, FleetColumn column) const { return rows_[row].numbers[static_cast<size_t>(column) - kFirst]; }

 private:
  static constexpr size_t kFirst = static_cast<size_t>(FleetColumn::next_due);
  static constexpr size_t kNumbers = static_cast<size_t>(FleetColumn::glob) - kFirst;
  // The file's, then its -wal's: the same again means that nothing was written.
  struct State {
    int64_t facts[7];
    string_view bytes() const { return {reinterpret_cast<const char*>(facts), sizeof facts}; }
    bool is(string_view other) const { return bytes() == other; }
  };
  struct Row {
    int64_t path, error;
    int64_t numbers[kNumbers];
    State state;
    bool is_new, is_kept;
    bool is_held;  // somebody was in the middle of a transaction
    int64_t& at(FleetColumn column) { return numbers[static_cast<size_t>(column) - kFirst]; }
  };

  Status look_at(Db& db, size_t path, Query* known);
  Status look_into(Db& db, const char* path, bool alone, Row* row);
  Status keep(Db& index) const;
  void fail(Row* row, const Status& status);

  Paths paths_;
  Paths gone_;  // of those that the index knows
  List<Row> rows_;
  Text errors_;
};

}  // namespace wf
