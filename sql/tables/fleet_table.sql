-- The columns of wf_fleet; those that are hidden are its arguments.

-- name: fleet_table_declaration
CREATE TABLE x(file TEXT, error TEXT, next_due TEXT, ready INTEGER, running INTEGER, waiting INTEGER, failed INTEGER, in_doubt INTEGER, epoch INTEGER, size INTEGER,
               "glob" TEXT HIDDEN, "index" TEXT HIDDEN)
