# Runs one stage: Rscript run.R train.R name=value …
# The script finds its values in the list `settings`. Rscript alone does not say where an error
# was; here the line above R's own message does.

place_of <- function(calls) {
  references <- Filter(Negate(is.null), lapply(calls, attr, "srcref"))
  if (length(references) == 0) return("")
  last <- references[[length(references)]]
  sprintf("%s#%d\n", basename(attr(last, "srcfile")$filename), last[1])
}

read_settings <- function(arguments) {
  settings <- lapply(sub("^[^=]*=", "", arguments), as.numeric)
  names(settings) <- sub("=.*", "", arguments)
  settings
}

arguments <- commandArgs(trailingOnly = TRUE)
settings <- read_settings(arguments[-1])
withCallingHandlers(
  source(arguments[1], keep.source = TRUE),
  error = function(problem) message(place_of(sys.calls()), appendLF = FALSE)
)
