#include "base/bells.h"

#include "base/hash.h"
#include "base/spin_lock.h"

namespace wf {
namespace {

std::atomic_flag g_bells_locked;  // for a few instructions, and the pokes
Bells::Rings g_rings;  // freed with the last connection, as SQLite unloads the module with it
int64_t g_count = 0;
int g_connections = 0;
Bells::Listener* g_listeners = nullptr;
int64_t g_owner = 0;

}  // namespace

Bells::Ring* Bells::Rings::find(uint64_t bell) const {
  for (size_t i = 0; i < count; ++i) {
    if (all[i].bell == bell) return &all[i];
  }
  return nullptr;
}

bool Bells::Rings::set(uint64_t bell, int64_t at) {
  if (Ring* ring = find(bell); ring != nullptr) {
    ring->at = at;
    return true;
  }
  auto* more = static_cast<Ring*>(sqlite3_realloc64(all, (count + 1) * sizeof(Ring)));
  if (more == nullptr) return false;
  all = more;
  all[count++] = {bell, at};
  return true;
}

void Bells::Rings::clear() {
  sqlite3_free(all);
  all = nullptr;
  count = 0;
}

Bells::Bells() {
  const SpinLock lock(g_bells_locked);
  ++g_connections;
  since_ = g_count;
}

Bells::~Bells() {
  heard_.clear();
  const SpinLock lock(g_bells_locked);
  if (--g_connections == 0) g_rings.clear();
}

uint64_t Bells::of(const char* path, string_view name) { return hash64(name, hash64(path != nullptr ? path : "", 0)); }

bool Bells::ring(uint64_t bell) {
  const SpinLock lock(g_bells_locked);
  if (!g_rings.set(bell, g_count + 1)) return false;
  ++g_count;
  if (g_owner != process_number()) return true;  // those who listen are threads of the process that this one was forked from
  for (Listener* one = g_listeners; one != nullptr; one = one->next_) {
    one->heard_ = true;
    one->file_.poke();
  }
  return true;
}

int64_t Bells::rings() {
  const SpinLock lock(g_bells_locked);
  return g_count;
}

bool Bells::has_rung(uint64_t bell) const {
  const Ring* heard = heard_.find(bell);
  const SpinLock lock(g_bells_locked);
  const Ring* ring = g_rings.find(bell);
  return ring != nullptr && ring->at > (heard != nullptr ? heard->at : since_);
}

bool Bells::hear(uint64_t bell, int64_t rings) { return heard_.set(bell, rings); }

Bells::Listener::Listener(FileWatch& file) : file_(file) {
  const SpinLock lock(g_bells_locked);
  if (g_owner != process_number()) g_owner = process_number(), g_listeners = nullptr;
  next_ = g_listeners;
  g_listeners = this;
}

Bells::Listener::~Listener() {
  const SpinLock lock(g_bells_locked);
  for (Listener** one = &g_listeners; *one != nullptr; one = &(*one)->next_) {
    if (*one != this) continue;
    *one = next_;
    return;
  }
}

}  // namespace wf
