// Prints docs/reference.md, from the registry.
#include <cstdio>

#include "functions/reference.h"

int main() {
  wf::Text page;
  wf::add_reference(page);
  if (!page.ok()) return 1;
  return std::fwrite(page.view().data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
