// The functions of a virtual table that is there without being created, and that can only be read.
#pragma once

#include "base/api.h"

namespace wf {

constexpr sqlite3_module eponymous(decltype(sqlite3_module::xConnect) connect, decltype(sqlite3_module::xBestIndex) best_index,
                                   decltype(sqlite3_module::xDisconnect) disconnect, decltype(sqlite3_module::xOpen) open,
                                   decltype(sqlite3_module::xClose) close, decltype(sqlite3_module::xFilter) filter,
                                   decltype(sqlite3_module::xNext) next, decltype(sqlite3_module::xEof) eof,
                                   decltype(sqlite3_module::xColumn) column, decltype(sqlite3_module::xRowid) rowid) {
  sqlite3_module m = {};
  m.xConnect = connect;  // no xCreate: it cannot be created
  m.xBestIndex = best_index;
  m.xDisconnect = disconnect;
  m.xOpen = open;
  m.xClose = close;
  m.xFilter = filter;
  m.xNext = next;
  m.xEof = eof;
  m.xColumn = column;
  m.xRowid = rowid;
  return m;
}

}  // namespace wf
