// The version of the extension; semantic versioning. CMakeLists.txt reads it from here.
#pragma once

namespace wf {
constexpr char kVersion[] = "0.1.0";
}
