# Finds SQLite.
#
#   WFEXT_SQLITE_HEADERS    folder of the sqlite3ext.h that the extension is compiled against, 3.38 or later. The module needs
#                           nothing else: it calls SQLite through the table that the loading program hands to it.
#   wfext_sqlite            the SQLite that tests, tools and bench are linked with: the system's, or the one in WFEXT_SQLITE_DIR
#   wfext_uses_static(t)    compiles target `t` as C++20 against the static library, its internal headers and that SQLite

# Sets `out` to SQLITE_VERSION_NUMBER of the sqlite3.h in `dir`, 0 if there is none.
function(wfext_sqlite_version out dir)
  set(version 0)
  if(EXISTS "${dir}/sqlite3.h")
    file(STRINGS "${dir}/sqlite3.h" line REGEX "^#define SQLITE_VERSION_NUMBER +[0-9]+" LIMIT_COUNT 1)
    string(REGEX MATCH "[0-9]+$" version "${line}")
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

set(oldest_header 3038000)   # sqlite3_vtab_in and its kin; they are called only where the running SQLite has them
set(WFEXT_SQLITE_HEADERS "")
set(tried "")
if(WFEXT_SQLITE_DIR)
  wfext_sqlite_version(version "${WFEXT_SQLITE_DIR}")
  if(version EQUAL 0 OR NOT EXISTS "${WFEXT_SQLITE_DIR}/sqlite3.c")
    message(FATAL_ERROR "WFEXT_SQLITE_DIR=${WFEXT_SQLITE_DIR} holds no sqlite3.c and sqlite3.h")
  endif()
  if(version GREATER_EQUAL oldest_header AND EXISTS "${WFEXT_SQLITE_DIR}/sqlite3ext.h")
    set(WFEXT_SQLITE_HEADERS "${WFEXT_SQLITE_DIR}")
  endif()
endif()
if(NOT WFEXT_SQLITE_HEADERS)
  find_path(WFEXT_SQLITE_INCLUDE_DIR sqlite3ext.h DOC "Folder with sqlite3ext.h and sqlite3.h, 3.38 or later")
  if(WFEXT_SQLITE_INCLUDE_DIR)
    wfext_sqlite_version(version "${WFEXT_SQLITE_INCLUDE_DIR}")
  else()
    set(version 0)
  endif()
  if(version LESS oldest_header)
    message(FATAL_ERROR
      "wfext compiles against sqlite3ext.h of SQLite 3.38 or later (what it builds runs on SQLite 3.31 and later).\n"
      "Found: ${WFEXT_SQLITE_INCLUDE_DIR} with SQLITE_VERSION_NUMBER ${version}.\n"
      "Install libsqlite3-dev (Debian, Ubuntu), sqlite-devel (Fedora) or sqlite-dev (Alpine), or pass "
      "-DWFEXT_SQLITE_INCLUDE_DIR=<folder with sqlite3.h and sqlite3ext.h of a newer SQLite>.")
  endif()
  set(WFEXT_SQLITE_HEADERS "${WFEXT_SQLITE_INCLUDE_DIR}")
endif()
message(STATUS "SQLite headers: ${WFEXT_SQLITE_HEADERS} (${version})")

if(WFEXT_BUILD_TESTS OR WFEXT_BUILD_BENCH)
  find_package(Threads REQUIRED)
  if(WFEXT_SQLITE_DIR)
    enable_language(C)
    # Shared, and by the name that other programs ask for: a Python started with LD_LIBRARY_PATH on it uses it too.
    add_library(wfext_sqlite SHARED "${WFEXT_SQLITE_DIR}/sqlite3.c")
    set_target_properties(wfext_sqlite PROPERTIES
      OUTPUT_NAME sqlite3 SOVERSION 0 LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/sqlite")
    target_compile_definitions(wfext_sqlite PRIVATE
      SQLITE_THREADSAFE=1 SQLITE_ENABLE_JSON1 SQLITE_ENABLE_COLUMN_METADATA SQLITE_ENABLE_FTS3 SQLITE_ENABLE_FTS5
      SQLITE_ENABLE_RTREE SQLITE_ENABLE_LOAD_EXTENSION SQLITE_ENABLE_DBSTAT_VTAB SQLITE_ENABLE_DESERIALIZE
      SQLITE_USE_URI=1 HAVE_USLEEP=1)
    target_compile_options(wfext_sqlite PRIVATE -w -O1)
    target_link_libraries(wfext_sqlite PUBLIC Threads::Threads ${CMAKE_DL_LIBS} m)
    wfext_sqlite_version(version "${WFEXT_SQLITE_DIR}")
    if(version LESS oldest_header)
      target_sources(wfext_sqlite INTERFACE "${CMAKE_CURRENT_LIST_DIR}/newer_calls.c")
    endif()
  else()
    find_package(SQLite3 REQUIRED)
    add_library(wfext_sqlite INTERFACE)
    target_link_libraries(wfext_sqlite INTERFACE SQLite::SQLite3 Threads::Threads)
  endif()
endif()

function(wfext_uses_static target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_compile_definitions(${target} PRIVATE SQLITE_CORE WFEXT_MEANINGS)   # internal headers then include sqlite3.h, and are those of the static library
  target_compile_options(${target} PRIVATE "$<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-Wall;-Wextra>")
  target_include_directories(${target} PRIVATE "${generated}" ${WFEXT_SQLITE_HEADERS})
  target_link_libraries(${target} PRIVATE wfext_static wfext_sqlite)
  if(WFEXT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  endif()
endfunction()
