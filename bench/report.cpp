// The table that is read by people, and the same as JSON.
#include <cstdio>

#include "bench.h"

namespace bench {

namespace {

const char* verdict(const Result& r) {
  if (r.failed) return "FAILED";
  if (r.bar == 0) return "-";
  if (r.value <= r.goal) return "goal";
  return r.value <= r.bar ? "bar" : "MISS";
}

std::string number(double value, const char* unit) {
  char text[32];
  bool ratio = unit[0] == 'x';
  snprintf(text, sizeof text, ratio ? "x%.2f" : unit[0] == 'm' && value < 10 ? "%.2f %s" : "%.0f %s", value, unit);
  return text;
}

std::string micros(double us) {
  char text[32];
  if (us == 0) return "";
  snprintf(text, sizeof text, us < 100 ? "%.2f" : "%.0f", us);
  return text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + '"';
}

}  // namespace

void Report::begin() {
  if (json_) return;
  printf("%-58s %9s %8s %8s  %-6s %11s %11s  %s\n", "what", "ratio", "bar", "goal", "", "us", "raw us", "note");
  fflush(stdout);
}

void Report::add(const Result& r) {
  results_.push_back(r);
  if (json_) return;
  printf("%-58s %9s %8s %8s  %-6s %11s %11s  %s\n", r.what.c_str(), number(r.value, r.unit).c_str(),
         r.bar != 0 ? number(r.bar, r.unit).c_str() : "", r.bar != 0 ? number(r.goal, r.unit).c_str() : "",
         verdict(r), micros(r.ours).c_str(), micros(r.reference).c_str(), r.note.c_str());
  fflush(stdout);
}

void Report::skip(const std::string& what, const std::string& why) {
  skipped_++;
  if (!json_) printf("%-58s %9s %8s %8s  %-6s %11s %11s  %s\n", what.c_str(), "", "", "", "skip", "", "", why.c_str());
}

// A line that belongs to the one above is named after it.
std::string Report::as_json() const {
  std::string out = "[", above;
  char numbers[400];
  for (const Result& r : results_) {
    const bool below = r.what.rfind("  ", 0) == 0;
    if (!below) above = r.what;
    const std::string name = below ? above + ": " + r.what.substr(2) : r.what;
    snprintf(numbers, sizeof numbers, "\"ratio\":%.4f,\"unit\":\"%s\",\"bar\":%g,\"goal\":%g,\"verdict\":\"%s\",\"us\":%.3f,\"raw_us\":%.3f", r.value, r.unit, r.bar, r.goal,
             verdict(r), r.ours, r.reference);
    out += &r == results_.data() ? "\n" : ",\n";
    out += " {\"name\":" + quoted(name) + "," + numbers + ",\"note\":" + quoted(r.note) + "}";
  }
  return out + "\n]\n";
}

void Report::end() {
  if (!file_.empty()) {
    FILE* file = fopen(file_.c_str(), "w");
    if (!file) die("cannot write " + file_);
    fputs(as_json().c_str(), file);
    if (fclose(file) != 0) die("cannot write " + file_);
  }
  if (json_) {
    fputs(as_json().c_str(), stdout);
    return;
  }
  int goal = 0, bar = 0, miss = 0;
  for (const Result& r : results_) {
    if (r.failed) miss++;
    if (r.failed || r.bar == 0) continue;
    (r.value <= r.goal ? goal : r.value <= r.bar ? bar : miss)++;
  }
  printf("\n%d at the goal, %d within the bar, %d missed, %d skipped. SQLite %s.\n", goal, bar, miss, skipped_, sqlite3_libversion());
}

}  // namespace bench
