# Linking the loadable module.
#
# It exports its two entry points and nothing else: SQLite opens modules with RTLD_GLOBAL, where two modules that export the
# same C++ template would share one copy. A release needs libc (and libm, when used) alone, so that one file loads on every
# Linux; a debug or sanitizer build may use the C++ run-time library, which unoptimized code cannot do without.
set(exports "${CMAKE_CURRENT_LIST_DIR}/exports")

if(APPLE)
  target_link_options(wfext PRIVATE "LINKER:-exported_symbols_list,${exports}.apple" "LINKER:-dead_strip")
  set_property(TARGET wfext APPEND PROPERTY LINK_DEPENDS "${exports}.apple")
  set_target_properties(wfext PROPERTIES SUFFIX ".dylib")
elseif(UNIX)
  target_link_options(wfext PRIVATE "LINKER:--version-script=${exports}.map" LINKER:--gc-sections LINKER:--as-needed LINKER:-z,noseparate-code)
  set_property(TARGET wfext APPEND PROPERTY LINK_DEPENDS "${exports}.map")
  if(NOT WFEXT_SANITIZE)
    target_link_options(wfext PRIVATE LINKER:-z,defs)        # a direct call of sqlite3_... is an error here, not at load
    target_link_options(wfext PRIVATE "$<$<NOT:$<CONFIG:Debug>>:-nodefaultlibs>" "$<$<CONFIG:Release,MinSizeRel>:LINKER:-s>")
    # libgcc's static part holds what the processor lacks (128-bit division, for example); it needs nothing itself.
    target_link_libraries(wfext PRIVATE "$<$<NOT:$<CONFIG:Debug>>:-lc;-lm;-lgcc>")
  endif()
endif()
