#include "functions/reference.h"

#include "base/json.h"

namespace wf {
namespace {

void add_range(const Option& option, Text& out) {
  if (option.type == OptionType::choice) out.add(' ').add(option.words);
  if (option.type == OptionType::integer) out.add(" from ").add_integer(option.min).add(" to ").add_integer(option.max);
  if (option.type == OptionType::duration && option.min > 0) out.add(" greater than 0");
  if (option.type == OptionType::duration && option.max == kTenYears) out.add(" up to 3650d");
}

void add_member(const char* key, string_view text, Text& out) {
  out.add(",\"").add(key).add("\":");
  json::quote(text, out);
}

}  // namespace

void add_signature(const Function& function, Text& out) {
  const string_view arguments(function.arguments());
  out.add(function.name()).add('(').add(arguments);
  if (!function.options.empty()) out.add(arguments.empty() ? "[options]" : " [, options]");
  out.add(')');
}

void add_type(const Option& option, Text& out) {
  static const char* const kTypes[] = {
      "a name", "an id", "a name or a JSON array of names", "an integer", "true or false",
      "a duration", "a time", "a JSON object", "a JSON value", "one of", "an object with initial, factor, max, jitter",
  };
  out.add(kTypes[static_cast<int>(option.type)]);
  add_range(option, out);
}

void add_functions_json(Text& out) {
  out.add('[');
  bool first = true;
  for (const Function& function : functions()) {
    Text signature;
    add_signature(function, signature);
    if (!signature.ok()) out.fail();
    out.add(first ? "{\"name\":" : ",{\"name\":");
    json::quote(function.name(), out);
    add_member("signature", signature.view(), out);
    add_member("summary", function.summary(), out);
    out.add(",\"writes\":").add_integer((function.flags & kWrites) != 0);
    out.add(",\"in_writing_statement\":").add_integer((function.flags & kNotInWritingStatement) == 0);
    add_member("idempotent", function.repeats(), out);
    out.add('}');
    first = false;
  }
  out.add(']');
}

#ifdef WFEXT_MEANINGS
void add_reference(Text& out) {
  out.add("# Reference\n\nEvery SQL function. This page is generated from the registry (`make reference`); `SELECT * FROM wf_functions` shows the same.\n");
  for (const Function& function : functions()) {
    out.add("\n## ").add(function.name()).add("\n\n`");
    add_signature(function, out);
    out.add("`\n\n").add(function.summary()).add("\n\n");
    out.add(function.flags & kWrites ? "Writes; " : "Reads; ");
    out.add(function.flags & kNotInWritingStatement ? "not inside a statement that writes, nor in a trigger (`WF_CONTEXT`)" : "also inside statements that write");
    if (function.flags & kDirectOnly) out.add("; not from triggers and views");
    out.add(". Safe to repeat: ").add(function.repeats()).add(".");
    if (!has_prefix(function.repeats(), "yes")) out.add(" Inside a larger query SQLite may make the call twice: see [calls in queries](calls-in-queries.md).");
    out.add("\n");
    if (function.options.empty()) continue;
    out.add("\n| option | takes | meaning |\n|---|---|---|\n");
    for (const Option& option : function.options) {
      out.add("| `").add(option.name).add("` | ");
      add_type(option, out);
      out.add(" | ").add(option.meaning.text()).add(" |\n");
    }
  }
}
#endif

}  // namespace wf
