# The model: a table of terms, each with a weight.

load_model <- function(directory) {
  terms <- read.csv(
    file.path(directory, "coefficients.csv"),
    colClasses = c(rep("character", 3), rep("numeric", 3)),
    na.strings = character(), encoding = "UTF-8"
  )
  # {{#regression}}
  list(terms = terms, range = read.csv(file.path(directory, "range.csv")))
  # {{/regression}}
  # {{#classification}}
  list(terms = terms)
  # {{/classification}}
}

# {{answer}} of each row.
predict_rows <- function(model, rows) {
  score <- as.vector(design(model$terms, rows) %*% model$terms$weight)
  # {{#regression}}
  pmin(pmax(score, model$range$lowest), model$range$highest)
  # {{/regression}}
  # {{#classification}}
  1 / (1 + exp(-score))
  # {{/classification}}
}

# One row a row, one standardised column a term.
design <- function(terms, rows) {
  columns <- lapply(seq_len(nrow(terms)), function(i) {
    (term_values(terms[i, ], rows) - terms$centre[i]) / terms$scale[i]
  })
  matrix(unlist(columns), nrow = nrow(rows))
}

# A term before it is standardised; a missing number counts as the training mean.
term_values <- function(term, rows) {
  if (term$kind == "intercept") return(rep(1, nrow(rows)))
  values <- rows[[term$column]]
  switch(term$kind,
    number = ifelse(is.na(values), term$centre, as.numeric(values)),
    missing = as.numeric(is.na(values)),
    category = as.numeric(!is.na(values) & values == term$category)
  )
}
