#include "functions/invoke.h"

#include "base/fair_wait.h"
#include "base/scope.h"
#include "functions/call.h"

namespace wf {
namespace {

// One function on one connection.
struct BoundFunction {
  const Function* function;
  Db* db;
};

bool needs_own_statement(const Function& function, int argc, sqlite3_value** argv) {
  if (function.flags & kNotInWritingStatement) return true;
  if (!(function.flags & kBulk) || argc == 0 || sqlite3_value_type(argv[0]) != SQLITE_TEXT) return false;
  return opens_with(Value::from(argv[0]).bytes, '[');
}

// SQLite has refused to end the transaction of the call.
Status stuck(const Function& function, const Status& failed) {
  return Status::error(Code::stuck, "%s() failed (%s), and its transaction could not be ended: nothing is stored before it is, by ROLLBACK or by closing the connection",
                       function.name(), failed.message() != nullptr ? failed.message() : sqlite3_errstr(failed.rc()));
}

// Whether the call has compiled a statement for a file that had no tables yet, and another process has made them since. Then it has found nothing and written nothing,
// and is made again.
bool has_tables_meanwhile(Db& db, const Status& failed) {
  if ((failed.rc() & 0xff) != SQLITE_ERROR || failed.is_ours() || failed.message() == nullptr || !has_prefix(failed.message(), "no such table: main._wf_")) return false;
  bool exists = false;
  return db.schema_exists(&exists).ok() && exists;
}

void invoke(sqlite3_context* context, int argc, sqlite3_value** argv) {
  const auto* binding = static_cast<const BoundFunction*>(sqlite3_user_data(context));
  Db& db = *binding->db;
  const sqlite3_int64 last_rowid = sqlite3_last_insert_rowid(db.handle());
  Status status;
  if (Db::Depth depth(db); depth.ok()) {
    if (depth.is_outermost()) db.call_begins();
    if (db.is_stuck()) status = check_transaction(db);
    bool exists;
    // Inside a transaction a writing function looks only once it has the write lock: see scope.h.
    const bool may_look = !(binding->function->flags & kFileless) && (db.autocommit() || !(binding->function->flags & kWrites));
    if (status.ok() && !db.format_checked() && may_look) {
      FairWait wait(db);
      status = wait.until([&] { return db.schema_exists(&exists); });
    }
    if (status.ok()) {
      int tries = depth.is_outermost() && !db.format_checked() ? 2 : 1;
      do {
        Call call(context, argc, argv, db, *binding->function);
        status = call.read_options();
        if (status.ok()) status = binding->function->run(call);
      } while (--tries > 0 && has_tables_meanwhile(db, status));
      // A wrong context comes before a wrong argument.
      if (status.is(Code::invalid) && needs_own_statement(*binding->function, argc, argv)) {
        if (Status context_error = check_context(db, binding->function->name()); !context_error.ok()) status = static_cast<Status&&>(context_error);
      }
      if (db.stop().stopped()) status = Status::sqlite(SQLITE_INTERRUPT);
      if (db.is_stuck()) status = stuck(*binding->function, status);
    }
  } else {
    status = Status::error(Code::context, "%s() is called by triggers that it fires itself, too deep", binding->function->name());
  }
  if (binding->function->flags & kWrites) sqlite3_set_last_insert_rowid(db.handle(), last_rowid);
  if (status.ok()) return;
  if ((status.rc() & 0xff) == SQLITE_NOMEM) {
    sqlite3_result_error_nomem(context);
    return;
  }
  if (status.message() != nullptr) sqlite3_result_error(context, status.message(), -1);
  sqlite3_result_error_code(context, status.is_ours() && status.rc() == SQLITE_AUTH ? SQLITE_ERROR : status.rc());
}

void release_binding(void* pointer) {
  Db* db = static_cast<BoundFunction*>(pointer)->db;
  sqlite3_free(pointer);
  Db::release(db);
}

}  // namespace

namespace {

int register_one(sqlite3* handle, Db* db, const Function& function) {
  // SQLITE_RESULT_SUBTYPE, which SQLite before 3.45 ignores and the headers before it lack.
  constexpr int kResultSubtype = 0x1000000;
  int flags = SQLITE_UTF8 | kResultSubtype;
  if (function.flags & kDirectOnly) flags |= SQLITE_DIRECTONLY;
  if (function.flags & kInnocuous) flags |= SQLITE_INNOCUOUS;
  for (int arguments = function.min_args; arguments <= function.max_args; ++arguments) {
    auto* binding = static_cast<BoundFunction*>(sqlite3_malloc64(sizeof(BoundFunction)));
    if (binding == nullptr) return SQLITE_NOMEM;
    db->retain();
    *binding = {&function, db};
    const int rc = sqlite3_create_function_v2(handle, function.name(), arguments, flags, binding, invoke, nullptr, nullptr, release_binding);
    if (rc != SQLITE_OK) return rc;  // SQLite has released the binding
  }
  return SQLITE_OK;
}

}  // namespace

int register_functions(sqlite3* handle, Db* db, bool all) {
  int rc = SQLITE_OK;
  for (const auto& some : {own_functions(), all ? functions() : std::span<const Function>()}) {
    for (const Function& function : some) {
      if (rc == SQLITE_OK) rc = register_one(handle, db, function);
    }
  }
  return rc;
}

}  // namespace wf
