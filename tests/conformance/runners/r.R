# RSQLite.
library(DBI)

given <- commandArgs(trailingOnly = TRUE)
if (given[1] == "version") {
  cat(RSQLite::rsqliteVersion()[["library"]], "\n", sep = "")
  quit()
}
module <- given[1]
folder <- given[3]

connect <- function(path) {
  # [load]
  db <- dbConnect(RSQLite::SQLite(), path, bigint = "integer64", synchronous = NULL)   # else RSQLite sets synchronous = off
  dbGetQuery(db, "SELECT load_extension(?1)", params = list(module))
  # [/load]
  db
}

digits <- charToRaw("0123456789abcdef")
bytes <- function(hex) {
  values <- match(charToRaw(hex), digits) - 1L
  odd <- seq_along(values) %% 2 == 1
  as.raw(values[odd] * 16L + values[!odd])
}
text <- function(hex) { found <- rawToChar(bytes(hex)); Encoding(found) <- "UTF-8"; found }
hex <- function(raw) paste(as.character(raw), collapse = "")

decode <- function(cell) {
  rest <- substring(cell, 2)
  switch(substr(cell, 1, 1),
    n = NA, i = bit64::as.integer64(rest), r = as.numeric(rest), t = text(rest), b = list(bytes(rest)), k = kept[[rest]])
}

encode <- function(value) {
  if (is.list(value)) return(if (is.null(value[[1]])) "n" else paste0("b", hex(value[[1]])))
  if (is.na(value)) return("n")
  if (bit64::is.integer64(value)) return(paste0("i", as.character(value)))
  if (is.integer(value)) return(paste0("i", value))
  if (is.numeric(value)) return(paste0("r", format(value, digits = 17)))
  paste0("t", hex(charToRaw(enc2utf8(value))))
}

run <- function(db, sql, cells) {
  result <- dbSendQuery(db, sql)
  on.exit(dbClearResult(result))
  if (length(cells)) dbBind(result, lapply(cells, decode))
  suppressWarnings(dbFetch(result))
}

open <- list()
kept <- list()
last <- NULL
path <- NULL
for (line in readLines(given[2], encoding = "UTF-8")) {
  fields <- strsplit(line, "\t", fixed = TRUE)[[1]]
  op <- fields[1]
  if (op == "case") {
    for (db in open) if (dbIsValid(db)) dbDisconnect(db)
    path <- paste0(folder, "/", fields[2], ".db")
    open <- list()
    kept <- list()
  } else if (op == "open") {
    open[[fields[2]]] <- connect(path)
  } else if (op == "close") {
    dbDisconnect(open[[fields[2]]])
  } else if (op == "keep") {
    kept[[fields[2]]] <- last
  } else {
    said <- tryCatch({
      rows <- run(open[[fields[2]]], fields[3], fields[-(1:3)])
      last <- if (nrow(rows)) rows[[1]][1] else NULL
      cells <- character()
      for (at in seq_len(nrow(rows))) for (column in rows) cells <- c(cells, encode(column[at]))
      paste(c(paste0("=", nrow(rows)), cells), collapse = "\t")
    }, error = function(error) paste0("!?\t", hex(charToRaw(enc2utf8(conditionMessage(error))))))
    cat(said, "\n", sep = "")
  }
}
for (db in open) if (dbIsValid(db)) dbDisconnect(db)
