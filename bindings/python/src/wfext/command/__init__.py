"""The command `wfext`: what its parts are called.

arguments   what may be said
shown       texts for people: escaped, aligned, times relative
report      the same for programs: JSON
reading     status ls show steps errors queues schedules definitions explain doctor check fleet
following   watch top
writing     start signal emit cancel pause resume retry fork resolve reschedule delete purge run
moving      export import
serving     worker ui mcp path

Each command is a function of its name (`import` is import_) that takes the arguments and gives the exit code; a module is imported when one of its commands is given.
"""
