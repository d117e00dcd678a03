// Databases with very many workflows, quickly.
//
// The engine itself makes one workflow of each kind, through the functions that a user would call; then the row is
// multiplied by INSERT ... SELECT with another id, seq and time. So whatever columns the schema has or will have, the
// copies hold what the engine wrote. check_copies compares a copy with a workflow that wf_start made, column by column.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench.h"

namespace bench {

// Columns that differ from the original, as SQL over `i`, the number of the copy, counted from 1.
using Changes = std::vector<std::pair<std::string, std::string>>;

class Fixture {
 public:
  // A new file with the module loaded and the schema in it. Not durable while it is being built.
  Fixture(const Run& run, const std::string& file);

  Db& db() { return db_; }

  // Runs a statement of the engine, such as SELECT wf_start(...), that makes or changes an original.
  void engine(const std::string& sql) { db_.exec(sql); }

  // `count` copies of the workflow `id`, in start order behind all that is there; returns the seq of the first. Their
  // ids are like UUIDs of version 7: 36 characters, ascending. `lanes`: every copy gets a copy of the lane too, in
  // the partition p1, p2, ..., where that is "p"; its turn comes behind that of the original.
  int64_t copy(const std::string& id, int64_t count, const Changes& changes, const std::string& lanes = "");

  // Gives the steps of the workflow `id` to `count` copies as well, from the one with the seq `first` on.
  void copy_steps(const std::string& id, int64_t first, int64_t count);

 private:
  void lower_lanes();

  Db db_;
};

// Ends the program if a copied workflow is not what wf_start would have made.
void check_copies(const Run& run);

// The SQL of a permutation of 0 ... n-1 as a function of i, for times in no order.
std::string shuffled(int64_t n);

}  // namespace bench
