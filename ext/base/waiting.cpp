#include "base/waiting.h"

#include "base/sleep.h"

namespace wf {
namespace {

// The first sleeps, and all those behind them; each is shorter or longer by up to a half, so that those who wait do not come together.
constexpr int64_t kFirst = 400 * kMicrosecond, kSecondSleep = 800 * kMicrosecond, kThen = 2 * kMillisecond;
// Without WAL: who commits waits for those who read, and they for it, so that all wait more often, and less long: at most a millisecond.
constexpr int64_t kWithJournal = kMillisecond * 2 / 3;
// So long a statement waits at a time.
constexpr int64_t kSlice = 100 * kMillisecond;
// Who holds the lock for long, because the disk takes its time, and comes again at once, leaves those who look now and then hardly a moment to find it free.
// So where others are about, who has had to wait in one of so many calls before, it stays away for such a part of that time, and not longer than one of
// their sleeps; below the shortest it would sleep too long.
constexpr int kCrowd = 32;
constexpr int64_t kPart = 8, kShortest = 50 * kMicrosecond;

// So close behind another a call comes that asks for nothing.
constexpr int64_t kClose = kMillisecond;

// (Nothing that is stored depends on it.)
int64_t about(int64_t time) { return time / 2 + static_cast<int64_t>(static_cast<uint64_t>(monotonic_clock()) * 0x9e3779b97f4a7c15u >> 33) % time; }

}  // namespace

Status Waiting::stand_in_for_all(sqlite3* handle, Millis timeout) {
  for_all_ = timeout_ = timeout;
  const int rc = timeout == 0 ? sqlite3_busy_handler(handle, nullptr, nullptr) : sqlite3_busy_handler(handle, wait, this);
  return rc == SQLITE_OK ? Status() : Status::sqlite(rc, handle);
}

// SQLite counts the calls in one statement; it does not begin anew for one that is only compiled.
int Waiting::wait(void* waiting, int count) {
  Waiting& w = *static_cast<Waiting*>(waiting);
  const int64_t now = monotonic_clock();
  if (count == 0 || now - w.last_ > 1000 * kMillisecond) {
    w.slice_ = now;
    if (!w.resumed_) w.begun_ = now, w.sleeps_ = 0;
    w.resumed_ = false;
  }
  w.last_ = now;
  const Millis left = w.timeout_ - (now - w.begun_) / kMillisecond;
  if (left <= 0) return 0;
  if (w.sliced_ && now - w.slice_ >= kSlice) {
    w.gave_up_ = true;
    return 0;
  }
  const int64_t time = about(w.sleeps_ == 0 ? kFirst : w.has_journal_ ? kWithJournal : w.sleeps_ == 1 ? kSecondSleep : kThen);
  ++w.sleeps_;
  sleep_for(left < time / kMillisecond ? left * kMillisecond : time);
  w.calls_ = w.alone_ = 0;
  w.got_ = monotonic_clock();
  return 1;
}

// A commit of this connection changes the version by one, one of another's by one more.
void Waiting::look_for_others(unsigned version) {
  const bool alone = version - version_ <= commits_ && !has_journal_;
  version_ = version;
  commits_ = 0;
  alone_ = !alone ? 0 : alone_ < kAlone ? alone_ + 1 : kAlone;
}

bool Waiting::is_alone() {
  if (alone_ != kAlone) return false;
  const int64_t before = came_;
  came_ = monotonic_clock();
  return came_ - before < kClose;
}

void Waiting::gives_back(int changes) {
  ++commits_;
  changes_ = changes;
  if (calls_ > kCrowd) return;
  given_back_ = monotonic_clock();
  held_ = given_back_ - got_;
}

void Waiting::give_way() {
  if (calls_ > kCrowd) return;
  ++calls_;
  got_ = monotonic_clock();
  int64_t pause = held_ / kPart - (got_ - given_back_);
  const int64_t longest = has_journal_ ? kWithJournal : kThen;
  if (pause > longest) pause = longest;
  if (pause < kShortest) return;
  sleep_for(pause);
  got_ = monotonic_clock();
}

}  // namespace wf
