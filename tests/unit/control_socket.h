// A server that answers wf_sync as Litestream does, in a thread of this process, until it ends.
#pragma once

#include <string>

namespace fault {

// Where it listens. Every sync of the file "/replicated.db" is a success, of txid 7.
const std::string& control_socket();

}  // namespace fault
