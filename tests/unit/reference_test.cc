// docs/reference.md is what the registry says.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "functions/reference.h"

TEST(Reference, IsNotStale) {
  std::ifstream file(WFEXT_SOURCE_DIR "/docs/reference.md", std::ios::binary);
  std::ostringstream written;
  written << file.rdbuf();
  wf::Text page;
  wf::add_reference(page);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(written.str(), std::string(page.view())) << "run `make reference`";
}

TEST(Reference, EveryFunctionHasASentenceAndOptionsHaveOne) {
  for (const wf::Function& function : wf::functions()) {
    const std::string summary = function.summary();
    EXPECT_TRUE(!summary.empty() && summary.back() == '.') << function.name();
    for (const wf::Option& option : function.options) EXPECT_NE(std::string(option.meaning.text()), "") << function.name() << " " << option.name;
  }
}
