# Runs an R model: answers calls on fd 3 with replies on fd 4 (see process.py; frames: wire.py).
# Arguments: the predict file, the artifact folder.
#
# All names live in local(), so that the global environment is the model's, as in a script.
local({
  kinds <- c("float64", "int32", "bool", "utf8")
  opened <- new.env()

  # Model code may call closeAllConnections(), so a pipe is opened again when it was closed.
  pipe_on <- function(fd, mode) {
    name <- as.character(fd)
    if (!tryCatch(isOpen(opened[[name]]), error = function(e) FALSE)) {
      assign(name, file(paste0("/dev/fd/", fd), mode, raw = TRUE), envir = opened)
    }
    opened[[name]]
  }

  read_integers <- function(con, n) readBin(con, "integer", n, endian = "little")

  read_raw <- function(con, n) readBin(con, "raw", n)

  as_text <- function(bytes) {
    text <- rawToChar(bytes)
    Encoding(text) <- "UTF-8"
    text
  }

  # The schema of the last call: the same bytes mean the same columns.
  known <- new.env()

  schema_of <- function(bytes) {
    if (!identical(known$bytes, bytes)) {
      labels <- parse_schema(bytes)
      known$names <- vapply(labels, `[[`, "", "name")
      known$masked <- which(vapply(labels, `[[`, TRUE, "masked"))
      known$kinds <- vapply(labels, `[[`, 1L, "kind")
      known$blocks <- split(seq_along(labels), known$kinds)
      known$bytes <- bytes
    }
    known
  }

  parse_schema <- function(bytes) {
    labels <- list()
    read <- 0L
    while (read < length(bytes)) {
      head <- as.integer(bytes[read + 1:4])
      size <- head[3L] + 256L * head[4L]
      name <- as_text(bytes[read + 4L + seq_len(size)])
      labels <- c(labels, list(list(kind = head[1L], masked = head[2L] == 1L, name = name)))
      read <- read + 4L + size
    }
    labels
  }

  read_texts <- function(con, rows) {
    sizes <- read_integers(con, rows)
    texts <- readChar(read_raw(con, sum(sizes)), sizes, useBytes = TRUE)
    Encoding(texts) <- "UTF-8"
    texts
  }

  # The columns of one kind, which lie side by side.
  read_block <- function(con, kind, columns, rows) {
    if (kind == 4L) return(lapply(seq_len(columns), function(i) read_texts(con, rows)))
    values <- switch(kind,
      readBin(con, "double", rows * columns, endian = "little"),
      read_integers(con, rows * columns),
      as.logical(read_raw(con, rows * columns))
    )
    if (rows == 1L) return(as.list(values))
    lapply(seq_len(columns), function(i) values[seq.int((i - 1L) * rows + 1L, length.out = rows)])
  }

  read_frame <- function(con) {
    size <- read_integers(con, 3L)
    rows <- size[2L]
    schema <- schema_of(read_raw(con, size[3L]))
    missing <- lapply(schema$masked, function(i) as.logical(read_raw(con, rows)))
    columns <- vector("list", size[1L])
    for (own in schema$blocks) {
      columns[own] <- read_block(con, schema$kinds[own[1L]], length(own), rows)
    }
    for (i in seq_along(missing)) {
      if (any(missing[[i]])) columns[[schema$masked[i]]][missing[[i]]] <- NA
    }
    structure(columns, names = schema$names, row.names = .set_row_names(rows), class = "data.frame")
  }

  bytes_of <- function(integers, size = 4L) writeBin(as.integer(integers), raw(), size, "little")

  describe_type <- function(values) paste(class(values), collapse = "/")

  # Whole doubles stay doubles: the supervisor narrows them where the contract says integer.
  column_bytes <- function(name, values) {
    if (is.factor(values)) values <- as.character(values)
    plain <- is.null(dim(values)) || length(dim(values)) == 1L
    known <- is.numeric(values) || is.logical(values) || is.character(values)
    if (!plain || !known || inherits(values, "integer64")) {
      stop("predict_rows returned ", describe_type(values), ", which is no column of numbers, ",
        "logicals or texts", call. = FALSE)
    }
    values <- as.vector(values)
    kind <- switch(typeof(values), double = 1L, integer = 2L, logical = 3L, character = 4L)
    missing <- anyNA(values)
    if (missing) missing <- if (kind == 1L) is.na(values) & !is.nan(values) else is.na(values)
    label <- charToRaw(enc2utf8(name))
    list(
      kind = kind,
      label = c(as.raw(c(kind, any(missing))), bytes_of(length(label), 2L), label),
      mask = if (any(missing)) as.raw(missing),
      values = value_bytes(values, missing)
    )
  }

  value_bytes <- function(values, missing) {
    if (is.character(values)) return(text_bytes(values, missing))
    if (any(missing)) values[missing] <- FALSE
    if (is.logical(values)) return(list(as.raw(values)))
    list(writeBin(values, raw(), endian = "little"))
  }

  text_bytes <- function(texts, missing) {
    texts <- enc2utf8(unname(texts))
    texts[missing] <- ""
    if (!all(validUTF8(texts))) stop("predict_rows returned text that is not UTF-8", call. = FALSE)
    list(bytes_of(nchar(texts, "bytes")), charToRaw(paste(texts, collapse = "")))
  }

  unnamed_doubles <- as.raw(c(1L, 0L, 0L, 0L))

  frame_bytes <- function(result) {
    # What most models return takes a quarter of the time that columns of any kind take.
    if (is.double(result) && is.null(attributes(result)) && !anyNA(result)) {
      head <- c(bytes_of(c(1L, length(result), length(unnamed_doubles))), unnamed_doubles)
      return(list(head, writeBin(result, raw(), endian = "little")))
    }
    columns <- if (is.data.frame(result)) as.list(result) else list(result)
    names <- if (is.data.frame(result)) names(result) else ""
    rows <- if (length(columns)) length(columns[[1L]]) else 0L
    encoded <- Map(column_bytes, names, columns, USE.NAMES = FALSE)
    schema <- unlist(lapply(encoded, `[[`, "label"))
    sorted <- encoded[order(vapply(encoded, `[[`, 1L, "kind"))]
    values <- unlist(lapply(sorted, `[[`, "values"), recursive = FALSE)
    head <- bytes_of(c(length(columns), rows, length(schema)))
    c(list(c(head, schema)), Filter(length, lapply(encoded, `[[`, "mask")), values)
  }

  send <- function(kind, number, parts) {
    con <- pipe_on(4L, "wb")
    size <- sum(lengths(parts))
    if (size > 2^28) {
      kind <- "FAIL"
      parts <- list(charToRaw("the result is larger than a frame may be"))
      size <- length(parts[[1L]])
    }
    parts <- c(list(charToRaw(kind), bytes_of(c(number, size))), parts)
    # Each write wakes the supervisor, so what is small goes out at once.
    if (size < 2^16) parts <- list(unlist(parts))
    for (part in parts) writeBin(part, con)
    flush(con)
  }

  # The innermost line of a sourced file on the call stack.
  location <- function(calls) {
    for (call in rev(calls)) {
      reference <- attr(call, "srcref")
      name <- attr(reference, "srcfile")$filename
      if (length(name) && nzchar(name)) {
        return(sprintf(" (%s, line %d)", basename(name), reference[1L]))
      }
    }
    ""
  }

  # list(value) or list(error = text)
  attempt <- function(expression) {
    where <- ""
    tryCatch(
      withCallingHandlers(
        list(value = expression),
        error = function(e) where <<- location(sys.calls())
      ),
      error = function(e) list(error = paste0(conditionMessage(e), where))
    )
  }

  fail <- function(number, text) {
    message(text)
    send("FAIL", number, list(charToRaw(enc2utf8(text))))
  }

  use_locked_packages <- function(folder) {
    version <- paste0("R-", R.version$major, ".", sub("\\..*", "", R.version$minor))
    library <- file.path(folder, "renv/library", c("", "*"), version, R.version$platform)
    .libPaths(c(Sys.glob(library), .libPaths()))
  }

  load <- function(predict_file, artifact) {
    use_locked_packages(dirname(predict_file))
    sys.source(predict_file, envir = globalenv(), keep.source = TRUE)
    for (name in c("load_model", "predict_rows")) {
      if (!exists(name, globalenv(), mode = "function", inherits = FALSE)) {
        stop(basename(predict_file), " defines no function ", name, call. = FALSE)
      }
    }
    globalenv()$load_model(artifact)
  }

  serve <- function(model) {
    repeat {
      head <- readBin(pipe_on(3L, "rb"), "raw", 12L)
      if (length(head) < 12L) quit("no", 0L, FALSE)
      number <- read_integers(head[5:8], 1L)
      rows <- read_frame(pipe_on(3L, "rb"))
      outcome <- attempt(frame_bytes(globalenv()$predict_rows(model, rows)))
      if (is.null(outcome$error)) {
        send("DONE", number, outcome$value)
      } else {
        fail(number, outcome$error)
      }
    }
  }

  options(warn = 1L)
  arguments <- commandArgs(trailingOnly = TRUE)
  loaded <- attempt(load(arguments[1L], arguments[2L]))
  if (!is.null(loaded$error)) {
    fail(0L, loaded$error)
    quit("no", 1L, FALSE)
  }
  send("OPEN", 0L, list())
  serve(loaded$value)
})
