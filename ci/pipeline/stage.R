# R's start-up file while a pipeline runs, so that a failing script is named with file and line.
# `Rscript train.R` alone reports neither: it feeds the lines one by one and keeps no source.
if (file.exists(".Rprofile")) source(".Rprofile")

.First <- function() {
  .First.sys()
  script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  if (length(script) != 1) return(invisible())
  options(keep.source = TRUE, error = function() {
    places <- lapply(sys.calls(), attr, "srcref")
    places <- places[!vapply(places, is.null, NA)]
    # stop() itself stands in the innermost place, which is the line that the analyst wrote
    if (length(places)) {
      innermost <- places[[length(places)]]
      cat(sprintf("  at %s#%d\n", basename(attr(innermost, "srcfile")$filename), innermost[1]),
          file = stderr())
    }
    cat("Execution halted\n", file = stderr())
    quit(save = "no", status = 1)
  })
  source(script, local = globalenv(), keep.source = TRUE, print.eval = TRUE)
  quit(save = "no")
}
