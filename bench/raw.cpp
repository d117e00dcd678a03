#include "raw.h"

namespace bench {

namespace {

Stmt make_table(Db& db) {
  std::string columns, marks;
  Stmt info = db.prepare("SELECT name, type FROM pragma_table_info('_wf_step')");
  while (info.step()) {
    // INTEGER PRIMARY KEY is no part of the type: here `n` is a column like the others.
    columns += ", " + info.text(0) + " " + info.text(1);
    marks += ", ?";
  }
  info.reset();
  if (columns.empty()) die("the file has no _wf_step");
  db.exec("CREATE TABLE IF NOT EXISTS raw(id TEXT PRIMARY KEY" + columns + ")");
  return db.prepare("INSERT INTO raw VALUES(?" + marks + ")");
}

}  // namespace

RawTable::RawTable(Db& db) : insert_(make_table(db)) {
  Stmt row = db.prepare("SELECT * FROM _wf_step ORDER BY n DESC LIMIT 1");
  if (!row.step()) die("no step to take as a sample");
  Stmt info = db.prepare("SELECT name FROM pragma_table_info('_wf_step')");
  for (int i = 0; info.step(); i++) sample_.emplace_back(info.text(0), sqlite3_value_dup(row.value(i)));
}

RawTable::~RawTable() {
  for (auto& [name, value] : sample_) sqlite3_value_free(value);
}

Stmt& RawTable::row(const std::string& id, const std::string& step) {
  insert_.reset();
  insert_.bind(1, id);
  int position = 2;
  for (auto& [name, value] : sample_) {
    if (name == "name") {
      insert_.bind(position++, step);
    } else {
      insert_.bind(position++, value);
    }
  }
  return insert_;
}

std::string token_of(const std::string& claim) {
  constexpr std::string_view kKey = "\"token\":\"";
  size_t begin = claim.find(kKey);
  if (begin == std::string::npos) die("a claim without a token: " + claim);
  begin += kKey.size();
  return claim.substr(begin, claim.find('"', begin) - begin);
}

}  // namespace bench
