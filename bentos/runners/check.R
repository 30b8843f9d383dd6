# Prints what is wrong with an R file (see check.py). Arguments: the file, the functions it needs.
arguments <- commandArgs(trailingOnly = TRUE)
path <- arguments[1L]
needed <- arguments[-1L]

assigned_name <- function(expression) {
  if (!is.call(expression) || length(expression) < 3L) return(character())
  operator <- as.character(expression[[1L]])[1L]
  if (operator %in% c("<-", "=", "<<-", "assign")) return(as.character(expression[[2L]])[1L])
  character()
}

includes_others <- function(expression) {
  any(c("source", "sys.source") %in% all.names(expression))
}

# R's message has the name and the line in front, then the text around it.
problem <- function(error) {
  lines <- strsplit(conditionMessage(error), "\n", fixed = TRUE)[[1L]]
  parts <- regmatches(lines[1L], regexec("^.*:([0-9]+):[0-9]+: (.*)$", lines[1L]))[[1L]]
  if (length(parts) < 3L) return(paste0(basename(path), ": ", lines[1L]))
  sprintf("%s, line %s: %s", basename(path), parts[2L], parts[3L])
}

code <- tryCatch(parse(path, encoding = "UTF-8", keep.source = FALSE), error = problem)
if (is.character(code)) {
  cat(code)
} else {
  absent <- setdiff(needed, unlist(lapply(code, assigned_name)))
  if (length(absent) && !includes_others(code)) cat("missing:", absent)
}
