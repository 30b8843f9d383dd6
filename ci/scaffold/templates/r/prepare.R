# Stage prepare: divide the table into rows to learn from and rows to judge the model on.

source("columns.R", encoding = "UTF-8")
source("table.R")

# Rows of which the outcome is known; all cells as text, as they stand in the table.
read_rows <- function() {
  table <- read_texts(table_file)
  rows <- setNames(table[unname(columns)], names(columns))
  # {{#row_id}}
  rows[[unit]] <- as.character(seq_len(nrow(rows)))
  # {{/row_id}}
  # {{#time}}
  rows <- rows[complete.cases(rows[c(actual, unit, time)]), ]
  # {{/time}}
  # {{#random}}
  rows <- rows[complete.cases(rows[c(actual, unit)]), ]
  # {{/random}}
  # {{#regression}}
  rows[[actual]] <- as.numeric(rows[[actual]])
  # {{/regression}}
  # {{#classification}}
  rows[[actual]] <- as.numeric(tolower(rows[[actual]]) == yes)
  # {{/classification}}
  rows
}

# {{#time}}
# The oldest rows, the next, the newest; a day is never divided.
split_rows <- function(rows, train_share, holdout_share) {
  day <- substr(rows[[time]], 1, 10)
  days <- sort(day)
  holdout_from <- days[floor(length(days) * train_share) + 1]
  analysis_from <- days[floor(length(days) * (train_share + holdout_share)) + 1]
  train <- day < holdout_from
  analysis <- day >= analysis_from
  list(train = rows[train, ], holdout = rows[!train & !analysis, ], analysis = rows[analysis, ])
}
# {{/time}}
# {{#random}}
# A number in [0, 1) that looks random and stays a unit's own when rows are added.
share_of <- function(text, seed) {
  state <- seed
  for (byte in c(as.numeric(charToRaw(enc2utf8(text))), 0, 0, 0)) {
    state <- (state * 16807 + byte + 1) %% 2147483647
  }
  state / 2147483647
}

# The rows to learn from, and the holdout; rows of one unit stay together.
split_rows <- function(rows, holdout_share, seed) {
  held <- vapply(rows[[unit]], share_of, 0, seed = seed) < holdout_share
  list(train = rows[!held, ], holdout = rows[held, ])
}
# {{/random}}

shares <- as.numeric(commandArgs(trailingOnly = TRUE))
parts <- split_rows(read_rows(), shares[1], shares[2])
if (any(vapply(parts, nrow, 0L) == 0)) {
  stop("a part of the split has no rows; change the shares in params.yaml")
}
parts$holdout[[baseline]] <- mean(parts$train[[actual]])

dir.create("prepared", showWarnings = FALSE)
dir.create("evaluation", showWarnings = FALSE)
write_table(parts$train, "prepared/train.csv")
write_table(parts$holdout, "evaluation/holdout.csv")
# {{#time}}
write_table(parts$holdout, "evaluation/reference.csv")
write_table(parts$analysis, "evaluation/analysis.csv")
# {{/time}}
