# Stage train: learn the weights, and measure the model on the holdout.

source("columns.R", encoding = "UTF-8")
source("table.R")
source("predict.R")

# Rows that prepare.R wrote, with the types that the model's inputs have.
read_rows <- function(path) {
  rows <- read_texts(path)
  rows[booleans] <- lapply(rows[booleans], function(texts) as.numeric(tolower(texts) == "true"))
  numeric <- intersect(c(numbers, actual, baseline), names(rows))
  rows[numeric] <- lapply(rows[numeric], as.numeric)
  rows
}

# What gets a weight: column, kind, category, and the centre and scale to standardise by.
terms_of <- function(rows) {
  found <- list(term("", "intercept"))
  add <- function(...) found[[length(found) + 1]] <<- term(...)
  for (name in c(numbers, booleans)) {
    values <- rows[[name]]
    known <- values[!is.na(values)]
    if (length(known)) add(name, "number", "", mean(known), spread(known))
    if (anyNA(values)) add(name, "missing")
  }
  for (name in categories) {
    values <- rows[[name]]
    for (category in sort(unique(values[!is.na(values)]))) add(name, "category", category)
    if (anyNA(values)) add(name, "missing")
  }
  do.call(rbind, found)
}

term <- function(column, kind, category = "", centre = 0, scale = 1) {
  data.frame(column, kind, category, centre, scale)
}

# Standard deviation; 1 where all values are the same.
spread <- function(values) {
  deviation <- sqrt(mean((values - mean(values))^2))
  if (deviation > 0) deviation else 1
}

# A weight a term; the intercept, which is the first, is not drawn towards zero.
# {{#regression}}
weights_of <- function(inputs, outcome, ridge) {
  penalty <- diag(c(0, rep(ridge, ncol(inputs) - 1)), ncol(inputs))
  as.vector(solve(crossprod(inputs) + penalty, crossprod(inputs, outcome)))
}
# {{/regression}}
# {{#classification}}
# Newton's method, as in glm(), with a penalty.
weights_of <- function(inputs, outcome, ridge) {
  penalty <- diag(c(0, rep(ridge, ncol(inputs) - 1)), ncol(inputs))
  weights <- rep(0, ncol(inputs))
  for (step in 1:50) {
    probability <- as.vector(1 / (1 + exp(-inputs %*% weights)))
    slope <- crossprod(inputs, outcome - probability) - penalty %*% weights
    curvature <- crossprod(inputs, inputs * (probability * (1 - probability))) + penalty
    change <- as.vector(solve(curvature, slope))
    weights <- weights + change
    if (max(abs(change)) < 1e-9) break
  }
  weights
}
# {{/classification}}

# {{#regression}}
# Mean absolute error, in units of the target.
error <- function(guess, outcome) mean(abs(guess - outcome))
# {{/regression}}
# {{#classification}}
# Mean log loss of probabilities.
error <- function(guess, outcome) {
  -mean(log(pmax(ifelse(outcome == 1, guess, 1 - guess), 1e-15)))
}
# {{/classification}}

ridge <- as.numeric(commandArgs(trailingOnly = TRUE)[1])
rows <- read_rows("prepared/train.csv")
holdout <- read_rows("evaluation/holdout.csv")
# {{#classification}}
if (length(unique(rows[[actual]])) < 2) {
  stop("all training rows have the same outcome; there is nothing to learn")
}
# {{/classification}}
terms <- terms_of(rows)
terms$weight <- weights_of(design(terms, rows), rows[[actual]], ridge)

dir.create("artifact", showWarnings = FALSE)
write_table(terms, "artifact/coefficients.csv")
# {{#regression}}
limits <- data.frame(lowest = min(rows[[actual]]), highest = max(rows[[actual]]))
write_table(limits, "artifact/range.csv")
# {{/regression}}
guess <- predict_rows(load_model("artifact"), holdout)
metrics <- c(
  training_rows = nrow(rows),
  holdout_rows = nrow(holdout),
  {{metric}} = error(guess, holdout[[actual]]),
  {{metric}}_{{baseline_name}} = error(holdout[[baseline]], holdout[[actual]])
)
lines <- sprintf("  \"%s\": %.10g", names(metrics), metrics)
writeLines(c("{", paste(lines, collapse = ",\n"), "}"), "metrics.json")
