// What the registry says, in words: for docs/reference.md, the table wf_functions and error messages.
#pragma once

#include "functions/registry.h"

namespace wf {

// "wf_start(name [, input] [, options])"
void add_signature(const Function& function, Text& out);
// What an option takes, in words: "a duration from 1ms to ...".
void add_type(const Option& option, Text& out);
// The registry as a JSON array, for wf_functions.
void add_functions_json(Text& out);
#ifdef WFEXT_MEANINGS
// The registry as Markdown: docs/reference.md. (In the static library; the module does not know what options mean.)
void add_reference(Text& out);
#endif

}  // namespace wf
