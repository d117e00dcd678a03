# Embeds the statements of sql/*/*.sql into C++.
#
#   cmake -DSQL_DIR=<folder> [-DMORE=<file>] -DOUT_DIR=<folder> -P EmbedSql.cmake
#
# writes OUT_DIR/sql_statements.h (an enum with one entry per statement) and OUT_DIR/sql_statements.cpp (the table of
# their texts), of the folder and then of the file MORE. Each file is written only when its content changes, so editing one statement does not recompile everything.
#
# In a .sql file a statement begins behind a line `-- name: snake_case_name` and runs to the next such line or to the end of
# the file. Folders and files count in alphabetical order, statements in the order in which they stand. From the text are dropped: comments (`-- ` and
# the rest of the line, behind a blank), blank lines, blanks at the start and end of a line, and a `;` at the very end. In a statement whose name begins with
# `schema_` or `script_` that `;` stays: it may hold several statements.
#
# `schema_1`, `schema_2` ... make the file format of that version out of the one before; kSchemas lists them.
#
# A statement whose name begins with `fragment_` is none: its text stands for `{{rest_of_the_name}}` in the statements after it.
#
# A statement that inserts one row (INSERT ... VALUES), or changes the one row of a key (it ends in `WHERE seq = :seq` and the like), has to
# change a row: Query::run() fails where a trigger has kept it from that. Behind the name of one that may find no row stands `or none`; behind that of
# another that must find one, `or more`.
#
# Behind the name of a statement after which its WHERE finds no row any more stands `all`: its twin, which it is followed by and which looks for
# one that was left, is made here (run_all() runs both).
#
# Parameters (`:name`) are numbered once for all statements, and each statement has the list of its own in the order in which SQLite numbers
# them: so a parameter is found without comparing names.
#
# The words of sql_words.txt take one byte each in the embedded text, one of those that are no ASCII, and a fragment takes two where it is used; both
# stand there once, and are packed likewise. ext/base/sql.cpp puts them back. (The texts as they are would be two and a half times as long.)
#
# Only string commands are used, never list commands: `;`, `[` and `]` in SQL would break those.
cmake_minimum_required(VERSION 3.22)

set(kFirstWord 128)
# A fragment is one of the first eight control characters and one from kFirstFragment on: none that is in a word.
set(kFirstFragment 14)
set(kFragmentsPerLead 18)

# Appends the bytes of `text`, and where they stand, to the array of all texts; `place` is set to `<offset>, <length>`.
function(add_text place text)
  string(LENGTH "${text}" length)
  string(HEX "${text}" hex)
  string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
  set(texts "${texts}  ${hex}\n" PARENT_SCOPE)
  set(${place} "${texts_length}, ${length}" PARENT_SCOPE)
  math(EXPR texts_length "${texts_length} + ${length}")
  set(texts_length "${texts_length}" PARENT_SCOPE)
endfunction()

# Drops comments, blank lines, and blanks at the start and end of lines.
function(tidy out text)
  string(REGEX REPLACE "\n[ \t]*--[^\n]*" "" text "\n${text}\n")
  string(REGEX REPLACE "[ \t]+-- [^\n]*" "" text "${text}")
  string(REGEX REPLACE "[ \t]+\n" "\n" text "${text}")
  string(REGEX REPLACE "\n[ \t]+" "\n" text "${text}")
  string(REGEX REPLACE "\n\n+" "\n" text "${text}")
  string(STRIP "${text}" text)
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# The text with the fragments' and the words' characters in their place.
function(pack out text)
  set(packed "${text}")
  while(packed MATCHES "{{([a-z_]+)}}")
    set(fragment "${CMAKE_MATCH_1}")
    math(EXPR lead "1 + ${number_${fragment}} / ${kFragmentsPerLead}")
    math(EXPR code "${kFirstFragment} + ${number_${fragment}} % ${kFragmentsPerLead}")
    string(ASCII ${lead} ${code} character)
    string(REPLACE "{{${fragment}}}" "${character}" packed "${packed}")
  endwhile()
  foreach(number IN LISTS words)
    string(REPLACE "${word_${number}}" "${code_${number}}" packed "${packed}")
  endforeach()
  set(${out} "${packed}" PARENT_SCOPE)
endfunction()

set(kMark "\n-- name:")
string(LENGTH "${kMark}" mark_length)
set(names "")
set(texts "")                # the bytes of everything
set(texts_length 0)
set(entries "")
set(schemas "")
set(parameters "")           # all names
set(lists "")                # for each statement the numbers of its own
set(lists_length 0)
set(count 0)
set(version 0)
set(fragments "")
set(fragment_count 0)

# Each between two bars. (Numbers stand for them in the list: `word_3`, and `code_3` for its byte.)
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/sql_words.txt" lines REGEX "^\\|")
set(words "")
set(word_places "")
foreach(line IN LISTS lines)
  list(LENGTH words number)
  string(REGEX REPLACE "^\\|(.*)\\|$" "\\1" word "${line}")
  math(EXPR code "${kFirstWord} + ${number}")
  string(ASCII ${code} code_${number})
  pack(word_${number} "${word}")
  list(APPEND words ${number})
  add_text(place "${word_${number}}")
  string(APPEND word_places "  {${place}},\n")
endforeach()
list(LENGTH words word_count)
if(word_count GREATER 128)
  message(FATAL_ERROR "sql_words.txt has ${word_count} words: there are bytes for 128")
endif()

file(GLOB files "${SQL_DIR}/*.sql")
if(NOT files STREQUAL "")
  message(FATAL_ERROR "${files}: a statement's file lies in the folder of its room, as in ext/")
endif()
file(GLOB files "${SQL_DIR}/*/*.sql")
list(APPEND files ${MORE})
foreach(file IN LISTS files)
  file(READ "${file}" rest)
  if(rest MATCHES "[^\n\r\t -~]")
    message(FATAL_ERROR "${file}: statements are ASCII")
  endif()
  string(REPLACE "\r\n" "\n" rest "${rest}")
  set(rest "\n${rest}\n")

  string(FIND "${rest}" "${kMark}" position)
  string(SUBSTRING "${rest}" 0 ${position} head)
  tidy(head "${head}")
  if(NOT head STREQUAL "")
    message(FATAL_ERROR "${file}: text before the first line `-- name: some_name`:\n${head}")
  endif()

  while(NOT position EQUAL -1)
    math(EXPR position "${position} + ${mark_length}")
    string(SUBSTRING "${rest}" ${position} -1 rest)
    string(FIND "${rest}" "\n" line_end)
    string(SUBSTRING "${rest}" 0 ${line_end} name)
    string(STRIP "${name}" name)
    set(or_none OFF)
    if(name MATCHES "^(.*) or none$")
      set(name "${CMAKE_MATCH_1}")
      set(or_none ON)
    endif()
    set(or_more OFF)
    if(name MATCHES "^(.*) or more$")
      set(name "${CMAKE_MATCH_1}")
      set(or_more ON)
    endif()
    set(all OFF)
    if(name MATCHES "^(.*) all$")
      set(name "${CMAKE_MATCH_1}")
      set(all ON)
    endif()
    string(SUBSTRING "${rest}" ${line_end} -1 rest)     # begins with the line feed, as the next mark does
    if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
      message(FATAL_ERROR "${file}: `-- name: ${name}`: a statement's name is snake_case")
    endif()
    if(DEFINED seen_${name})
      message(FATAL_ERROR "${file}: statement ${name} is already in ${seen_${name}}")
    endif()
    set(seen_${name} "${file}")

    string(FIND "${rest}" "${kMark}" position)
    string(SUBSTRING "${rest}" 0 ${position} text)      # -1 takes all of it
    tidy(text "${text}")
    if(NOT name MATCHES "^(schema|script)_")
      string(REGEX REPLACE "[; \t\n]+$" "" text "${text}")
    endif()
    if(text STREQUAL "")
      message(FATAL_ERROR "${file}: statement ${name} is empty")
    endif()

    set(raw "${text}")
    while(text MATCHES "{{([a-z_]+)}}")
      set(fragment "${CMAKE_MATCH_1}")
      if(NOT DEFINED fragment_${fragment})
        message(FATAL_ERROR "${file}: statement ${name} uses {{${fragment}}}, but no fragment_${fragment} stands before it")
      endif()
      string(REPLACE "{{${fragment}}}" "${fragment_${fragment}}" text "${text}")
    endwhile()
    if(name MATCHES "^fragment_(.*)$")
      set(short "${CMAKE_MATCH_1}")
      set(${name} "${text}")
      set(number_${short} ${fragment_count})
      pack(raw "${raw}")
      add_text(place "${raw}")
      string(APPEND fragments "  {${place}},\n")
      math(EXPR fragment_count "${fragment_count} + 1")
      continue()
    endif()

    # Whether it has to change a row.
    set(changes 0)
    string(REGEX REPLACE "[ \n]+" " " line "${text}")
    if(line MATCHES "^INSERT INTO [a-z_.]+\\([^)]*\\) VALUES" OR line MATCHES "^INSERT INTO main._wf_(workflow|lane)\\(")
      set(changes 1)
      if(line MATCHES "DO NOTHING" OR line MATCHES "DO UPDATE SET .* WHERE ")
        set(changes 0)
      endif()
    elseif(line MATCHES "^(UPDATE|DELETE FROM) .* WHERE (seq = :seq|n = :n|lane = :lane|name = :name|key = :key|wf = :seq AND name = :step|n = coalesce\\(\\(SELECT n FROM main\\._wf_step WHERE .*name = :step\\)\\))$")
      set(changes 1)
    endif()
    if(or_none)
      if(NOT changes)
        message(FATAL_ERROR "${file}: statement ${name} says `or none`, but nobody expects a row of it")
      endif()
      set(changes 0)
    endif()

    if(or_more)
      if(changes)
        message(FATAL_ERROR "${file}: statement ${name} says `or more`, but a row of it is expected anyway")
      endif()
      set(changes 1)
    endif()
    if(all)
      if(line MATCHES "^DELETE FROM ([a-z_.]+( AS [a-z]+)?) WHERE (.*)$")
        set(twin "SELECT 1 FROM ${CMAKE_MATCH_1} WHERE ${CMAKE_MATCH_3} LIMIT 1")
      elseif(NOT line MATCHES " WHERE .* WHERE " AND line MATCHES "^UPDATE ([a-z_.]+) SET .* WHERE (.*)$")
        set(twin "SELECT 1 FROM ${CMAKE_MATCH_1} WHERE ${CMAKE_MATCH_2} LIMIT 1")
      else()
        message(FATAL_ERROR "${file}: statement ${name} says `all`, but is neither a DELETE nor an UPDATE with one WHERE")
      endif()
      set(changes 2)
      set(after "")
      if(NOT position EQUAL -1)
        string(SUBSTRING "${rest}" ${position} -1 after)
      endif()
      set(rest "${kMark} ${name}_left\n${twin}\n${after}")
      set(position 0)
    endif()

    # Its parameters; a colon in a string literal is none. (Names hold nothing that would break a list.)
    string(REGEX REPLACE "'[^']*'" "''" bare "${text}")
    string(REGEX MATCHALL ":[a-z_]+" own "${bare}")
    list(REMOVE_DUPLICATES own)
    list(LENGTH own own_length)
    set(own_at ${lists_length})
    foreach(parameter IN LISTS own)
      list(FIND parameters "${parameter}" number)
      if(number EQUAL -1)
        list(LENGTH parameters number)
        list(APPEND parameters "${parameter}")
      endif()
      string(APPEND lists "${number}, ")
    endforeach()
    math(EXPR lists_length "${lists_length} + ${own_length}")

    if(name MATCHES "^schema_([0-9]+)$")
      math(EXPR version "${version} + 1")
      if(NOT name STREQUAL "schema_${version}")
        message(FATAL_ERROR "${file}: ${name} stands where schema_${version} is expected: versions have no gaps, and their scripts are in order")
      endif()
      string(APPEND schemas "Sql::${name}, ")
    endif()

    pack(text "${raw}")
    add_text(place "${text}")
    string(APPEND names "  ${name},\n")
    string(APPEND entries "  {${place}, ${changes}, ${own_at}, ${own_length}},\n")
    math(EXPR count "${count} + 1")
  endwhile()
endforeach()

math(EXPR most "8 * ${kFragmentsPerLead}")
if(fragment_count GREATER most)
  message(FATAL_ERROR "${fragment_count} fragments: there are characters for ${most}")
endif()

list(LENGTH parameters parameter_count)
if(parameter_count GREATER 255)
  message(FATAL_ERROR "${parameter_count} names of parameters: their numbers have one byte")
endif()
list(JOIN parameters "\", \"" parameters)

set(header "// Generated from sql/ at build time; edit that.
#pragma once

#include <string_view>

namespace wf {

// One entry per named statement, in the order of the files and of the statements in them.
enum class Sql : unsigned short {
${names}  count_
};

// Its text, in which a byte may stand for a word, and two for a fragment.
std::string_view packed_sql(Sql statement);
// Whether a byte stands for a word, and its text, packed likewise.
constexpr bool is_packed_word(char byte) { return static_cast<unsigned char>(byte) >= ${kFirstWord}; }
std::string_view packed_word(char byte);
// Whether a fragment begins with this character, and the text of the one that it and the next stand for, packed likewise.
constexpr bool is_fragment(char lead) { return lead >= 1 && lead <= 8; }
std::string_view packed_fragment(char lead, char character);
// Whether it has to change a row: it writes one, or that of a key.
bool must_change(Sql statement);
// Whether it leaves no row that its WHERE finds. Then the statement behind it finds one that was left.
bool leaves_none(Sql statement);
// The names of all parameters, and at which place of the statement's the one of that number stands, from 1 on; 0: it has none of this name.
constexpr std::string_view kParameters[] = {\"${parameters}\"};
int parameter_of(Sql statement, unsigned char number);
// How many it has.
int parameter_count(Sql statement);
// What makes version 1 of the file format out of nothing, version 2 out of version 1, and so on.
constexpr Sql kSchemas[] = {${schemas}};

}  // namespace wf
")
set(source "// Generated from sql/ at build time; edit that.
#include \"sql_statements.h\"

#include <cstring>

namespace wf {
namespace {

// One object and places in it: a table of pointers would have to be relocated when the library is loaded.
constexpr unsigned char kTexts[] = {
${texts}};
struct SqlPlace {
  unsigned at, length;
  std::string_view text() const { return {reinterpret_cast<const char*>(kTexts) + at, length}; }
};
constexpr struct {
  unsigned at;
  unsigned length : 24, must_change : 8;
  unsigned parameters_at : 24, parameters : 8;
} kPlaces[] = {
${entries}};
constexpr unsigned char kLists[] = {${lists}};
constexpr SqlPlace kFragments[] = {
${fragments}};
constexpr SqlPlace kWords[] = {
${word_places}};

}  // namespace

std::string_view packed_sql(Sql statement) {
  const auto& place = kPlaces[static_cast<unsigned>(statement)];
  return SqlPlace{place.at, place.length}.text();
}

std::string_view packed_fragment(char lead, char character) {
  return kFragments[(lead - 1) * ${kFragmentsPerLead} + character - ${kFirstFragment}].text();
}

std::string_view packed_word(char byte) { return kWords[static_cast<unsigned char>(byte) - ${kFirstWord}].text(); }

bool must_change(Sql statement) { return kPlaces[static_cast<unsigned>(statement)].must_change == 1; }
bool leaves_none(Sql statement) { return kPlaces[static_cast<unsigned>(statement)].must_change == 2; }

int parameter_of(Sql statement, unsigned char number) {
  const auto& place = kPlaces[static_cast<unsigned>(statement)];
  const unsigned char* own = kLists + place.parameters_at;
  const void* found = memchr(own, number, place.parameters);
  return found == nullptr ? 0 : static_cast<int>(static_cast<const unsigned char*>(found) - own) + 1;
}

int parameter_count(Sql statement) { return kPlaces[static_cast<unsigned>(statement)].parameters; }

}  // namespace wf
")

# Writes `content` unless the file holds it already. (file(CONFIGURE) and configure_file would read @...@ in it.)
function(write_if_different path content)
  set(old "")
  if(EXISTS "${path}")
    file(READ "${path}" old)
  endif()
  if(NOT "x${old}" STREQUAL "x${content}")
    file(WRITE "${path}" "${content}")
  endif()
endfunction()
write_if_different("${OUT_DIR}/sql_statements.h" "${header}")
write_if_different("${OUT_DIR}/sql_statements.cpp" "${source}")
message(STATUS "Embedded ${count} SQL statements")
