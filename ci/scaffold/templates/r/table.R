# Tables as CSV, in UTF-8 whatever the machine's own encoding is.

read_texts <- function(path) {
  read.csv(
    path,
    colClasses = "character", na.strings = "", encoding = "UTF-8", check.names = FALSE
  )
}

cells <- function(values) {
  if (is.numeric(values)) {
    texts <- formatC(values, digits = 17, format = "g", width = 1)
  } else {
    texts <- paste0("\"", gsub("\"", "\"\"", enc2utf8(values), fixed = TRUE), "\"")
  }
  ifelse(is.na(values), "", texts)
}

write_table <- function(table, path) {
  header <- paste(cells(names(table)), collapse = ",")
  lines <- do.call(paste, c(unname(lapply(table, cells)), sep = ","))
  con <- file(path, "wb")
  on.exit(close(con))
  writeLines(enc2utf8(c(header, lines)), con, sep = "\n", useBytes = TRUE)
}
