#include "mixes.h"

#include <chrono>

namespace bench {

namespace {

// How many can be claimed where most cannot: enough for every batch.
int64_t claimable(int64_t n) { return n > 10'000 ? 2'000 : 400; }

// Times from an hour ago. A number, not the clock of SQL: the statements that copy lanes and workflows run seconds apart, and a lane that
// promises its workflow earlier than it is due would be looked into by every claim before.
Changes due_at(const std::string& sql) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return {{"due_at", std::to_string(ms - 3'600'000) + " + (" + sql + ")"}};
}

// The originals are due an hour ago: before every copy, as the lower bound of the lane demands.
std::string start(const std::string& id, const std::string& more = "") {
  return "SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"" + id + "\",\"at\":' || (strftime('%s','now') - 3600) || '" +
         more + "}')";
}

void thirds(Fixture& f, int64_t n, const std::string& ready_due) {
  f.engine(start("ready"));
  f.engine("SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"asleep\",\"delay\":\"10h\"}')");
  f.engine(start("done"));
  f.engine("SELECT wf_complete('done', '{\"ok\":true}')");
  f.copy("done", n / 3, {});
  f.copy("asleep", n / 3, {{"due_at", "t.due_at + i"}});
  f.copy("ready", n - 2 * (n / 3), due_at(ready_due));
}

void thirds_in_order(Fixture& f, int64_t n) { thirds(f, n, "i"); }
void thirds_at_random(Fixture& f, int64_t n) { thirds(f, n, shuffled(n)); }

void all_sleeping(Fixture& f, int64_t n) {
  f.engine("SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"asleep\",\"delay\":\"10h\"}')");
  f.copy("asleep", n, {{"due_at", "t.due_at + " + shuffled(n)}});
}

void higher_not_due(Fixture& f, int64_t n) {
  f.engine("SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"asleep\",\"delay\":\"10h\",\"priority\":50}')");
  f.engine(start("ready"));
  f.copy("asleep", n - claimable(n), {{"due_at", "t.due_at + " + shuffled(n)}});
  f.copy("ready", claimable(n), due_at("i"));
}

void partition_at_limit(Fixture& f, int64_t n) {
  f.engine("SELECT wf_queue('default', '{\"partition_concurrency\":1}')");
  f.engine(start("full", ",\"partition\":\"full\""));
  f.copy("full", n - claimable(n), due_at("i"));
  f.engine("SELECT wf_claim(NULL, 'other', '{\"lease\":\"10h\"}')");
  f.engine(start("free", ",\"partition\":\"free\""));
  f.copy("free", claimable(n), due_at("1000 + i"), "p");
}

void all_expired(Fixture& f, int64_t n) {
  f.engine(start("lost"));
  f.engine("SELECT wf_claim(NULL, 'crashed', '{\"lease\":\"1ms\"}')");
  f.copy("lost", n, due_at("i"));
}

void all_partitions(Fixture& f, int64_t n) {
  f.engine(start("one", ",\"partition\":\"p0\""));
  f.copy("one", n, due_at("i"), "p");
}

// A tenth as many partitions as workflows; all but a hundredth are full, or their time is to come.
void mostly_full(Fixture& f, int64_t n) {
  const int64_t half = n / 20;
  f.engine("SELECT wf_queue('default', '{\"partition_concurrency\":1}')");
  f.engine(start("held", ",\"partition\":\"full\""));
  f.engine("SELECT wf_claim(NULL, 'other', '{\"lease\":\"10h\"}')");
  f.engine(start("blocked", ",\"partition\":\"full\""));
  f.engine("SELECT wf_claim()");  // finds it full
  const std::string lanes = std::to_string(f.db().integer("SELECT max(lane) FROM _wf_lane"));
  f.copy("held", half, {{"limited", "'default' || char(31) || 'f' || i"}}, "f");
  f.copy("blocked", half, {{"lane", lanes + " + i"}});
  f.engine("SELECT wf_start('work', '{\"n\":1}', '{\"id\":\"asleep\",\"partition\":\"asleep\",\"delay\":\"10h\"}')");
  f.copy("asleep", half, {{"due_at", "t.due_at + " + shuffled(half)}}, "s");
  f.engine(start("ready"));
  f.copy("ready", claimable(n), due_at("1000 + i"));
}

void names_filter(Fixture& f, int64_t n) {
  f.engine(start("common"));
  f.engine("SELECT wf_start('rare', '{\"n\":1}', '{\"id\":\"rare\",\"at\":' || (strftime('%s','now') - 3600) || '}')");
  f.copy("common", n - claimable(n), due_at("i"));
  f.copy("rare", claimable(n), due_at("1000 + i"));
}

}  // namespace

const Mix kMixes[kMixCount] = {
    {"thirds, due in start order", "{}", true, thirds_in_order},
    {"thirds, due at random", "{}", true, thirds_at_random},
    {"all sleeping", "{}", false, all_sleeping},
    {"all higher priority not due", "{}", true, higher_not_due},
    {"one partition at its limit", "{}", true, partition_at_limit, true},
    {"all leases expired", "{}", true, all_expired},
    {"all in different partitions", "{}", true, all_partitions},
    {"partitions, 99 % full or not due", "{}", true, mostly_full, true},
    {"a names filter", R"({"names":["rare"]})", true, names_filter},
};

const Mix& mix_named(const std::string& name) {
  for (const Mix& mix : kMixes) {
    if (name == mix.name) return mix;
  }
  die("no mix of this name: " + name);
}

void build_mix(const Run& run, const Mix& mix, const std::string& file, int64_t n) {
  Fixture fixture(run, file);
  mix.fill(fixture, n);
}

}  // namespace bench
