# Unit tests and tools.
find_package(GTest QUIET)
if(NOT GTest_FOUND)
  if(NOT EXISTS /usr/src/googletest/CMakeLists.txt)
    message(FATAL_ERROR "GoogleTest is missing: install libgtest-dev (Debian, Ubuntu), gtest-devel (Fedora) or googletest")
  endif()
  enable_language(C)
  set(INSTALL_GTEST OFF CACHE BOOL "")
  set(BUILD_GMOCK OFF CACHE BOOL "")
  add_subdirectory(/usr/src/googletest "${PROJECT_BINARY_DIR}/googletest" EXCLUDE_FROM_ALL)
  if(NOT TARGET GTest::gtest_main)
    add_library(GTest::gtest_main ALIAS gtest_main)
  endif()
endif()

# tests/unit/*.cc, one program. WFEXT_MODULE is the path of the loadable module, WFEXT_SOURCE_DIR the root of the sources.
file(GLOB unit_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/*.cc")
if(unit_sources)
  include(GoogleTest)
  add_executable(wfext_unit ${unit_sources})
  wfext_uses_static(wfext_unit)
  add_dependencies(wfext_unit wfext)
  target_link_libraries(wfext_unit PRIVATE GTest::gtest_main)
  target_compile_definitions(wfext_unit PRIVATE
    "WFEXT_MODULE=\"$<TARGET_FILE:wfext>\"" "WFEXT_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
  gtest_discover_tests(wfext_unit DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 300)
endif()

# The library of the next file format: the same sources with one more script, tests/migration/schema.sql. tests/migration/*.cc are linked with
# it; WFEXT_MODULE is the loadable module, which there has the older format.
set(next "${PROJECT_BINARY_DIR}/generated_next")
set(next_schema "${PROJECT_SOURCE_DIR}/tests/migration/schema.sql")
add_custom_command(
  OUTPUT "${next}/sql_statements.cpp"
  BYPRODUCTS "${next}/sql_statements.h"
  COMMAND "${CMAKE_COMMAND}" "-DSQL_DIR=${PROJECT_SOURCE_DIR}/sql" "-DMORE=${next_schema}" "-DOUT_DIR=${next}"
          -P "${PROJECT_SOURCE_DIR}/cmake/EmbedSql.cmake"
  DEPENDS ${sql_files} "${next_schema}" "${PROJECT_SOURCE_DIR}/cmake/EmbedSql.cmake"
  COMMENT "Embedding sql/ and a new format"
  VERBATIM)
add_library(wfext_next STATIC EXCLUDE_FROM_ALL ${wfext_sources} "${next}/sql_statements.cpp")
wfext_compile(wfext_next "${next}")
target_compile_definitions(wfext_next PRIVATE SQLITE_CORE)

file(GLOB migration_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/migration/*.cc")
add_executable(wfext_migration ${migration_sources} "${PROJECT_SOURCE_DIR}/tests/unit/fault.cc" "${PROJECT_SOURCE_DIR}/tests/unit/control_socket.cc")
target_include_directories(wfext_migration PRIVATE "${PROJECT_SOURCE_DIR}/ext" "${PROJECT_SOURCE_DIR}/tests/unit")
target_compile_features(wfext_migration PRIVATE cxx_std_20)
target_link_libraries(wfext_migration PRIVATE wfext_next wfext_sqlite GTest::gtest_main)
target_compile_definitions(wfext_migration PRIVATE "WFEXT_MODULE=\"$<TARGET_FILE:wfext>\"")
if(WFEXT_SANITIZE)
  target_compile_options(wfext_migration PRIVATE ${sanitize})
  target_link_options(wfext_migration PRIVATE -fsanitize=address,undefined)
endif()
add_dependencies(wfext_migration wfext)
gtest_discover_tests(wfext_migration DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 300)

file(GLOB tool_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/*.cpp")
foreach(source IN LISTS tool_sources)
  cmake_path(GET source STEM tool)
  add_executable(wfext_${tool} "${source}")
  wfext_uses_static(wfext_${tool})
endforeach()
