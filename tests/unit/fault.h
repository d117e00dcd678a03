// Fault simulation: every call, at every point where something can go wrong.
//
// A scenario is a prepared database and one statement, the body. for_each_fault() runs the body again and again, with the
// first, second, third ... operation failing, until the body runs through without reaching a fault. Each time afterwards:
//
//   * the connection is in autocommit mode if it was before, another can write, and sqlite3_close() returns SQLITE_OK
//   * what is stored is what was there before, or what the undisturbed body leaves; nothing in between
//   * a body that reported success did succeed, with the undisturbed result
//   * the application's rows of the same transaction share the fate of the call
//   * the body can be repeated and then succeeds
//   * no memory is left allocated
#pragma once

#include <sqlite3.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace fault {

struct Scenario {
  const char* name;
  std::vector<const char*> prepare;     // run undisturbed, on a connection of its own
  const char* body;                     // ?1 is the token
  bool token = false;                   // the body needs the token of the claim in `prepare`
  bool in_transaction = false;          // the body runs after BEGIN and an application row
  bool may_skip = false;                // success may mean that the work was put off (maintenance within a claim)
  bool older = false;                   // the loadable module prepares: in tests/migration it has an older file format
};
// What GoogleTest calls it.
inline void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

// Every writing function, the schema's creation, inline calls, and every table.
const std::vector<Scenario>& scenarios();

// A connection with the extension, its clock stopped at one moment.
class Connection {
 public:
  explicit Connection(const std::string& path, const char* vfs = nullptr, bool extension = true);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  sqlite3* handle() const { return db_; }
  // Loads the loadable module, on a connection that was opened without the extension.
  void load();
  // Runs one statement to its end; `value` gets the rows, cells separated by '|'.
  // `compiled` is called before it runs.
  int run(const char* sql, const std::string& bound = "", std::string* value = nullptr, const std::function<void()>& compiled = nullptr);
  std::string query(const char* sql);   // must succeed
  int close();
  const std::string& message() const { return message_; }

 private:
  sqlite3* db_ = nullptr;
  std::string message_;
};

// What can go wrong, and how.
class Injector {
 public:
  virtual ~Injector() = default;
  virtual const char* vfs() const { return nullptr; }
  virtual void arm(sqlite3* db, int n, bool sticky) = 0;    // the n-th operation from now fails (and all later ones)
  virtual void compiled() {}                                // the body's own statement is compiled
  virtual bool disarm(sqlite3* db) = 0;                     // true: a fault was reached
  virtual bool is_fault(int code) const = 0;                // may the body report this result code?
  virtual int faults() const { return 0; }                  // how many there are to try; 0: until none is reached
  virtual bool sparse() const { return false; }             // few of them are tried, but in the deep run
};

enum class Start { cold, warm };        // a new connection, or one that has its statements prepared

// Returns how many faults were tried.
int for_each_fault(const Scenario& scenario, Injector& injector, Start start, bool sticky,
                   const char* journal_mode = "memory");

// What the engine stored, as text, without what is random.
std::string stored(Connection& c);

}  // namespace fault
