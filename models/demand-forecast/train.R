# Fits the model on the training weeks, and writes the tables for evaluation and monitoring.

library(data.table)
source("predict.R", keep.source = TRUE)

week_2_monday <- as.Date("2017-01-02")
longest_mean <- 16
warm_up_weeks <- 8

# What a row's category may do otherwise than all categories.
own_effects <- c("month_start", "mailer", "front_page", "display")

input_columns <- c(
  "category", "store_group",
  "units_last_week", "units_2_weeks_ago", "units_3_weeks_ago", "units_4_weeks_ago",
  "mean_units_8_weeks", "mean_units_16_weeks",
  "category_units_last_week", "category_mean_units_4_weeks", "category_mean_units_8_weeks",
  "mailer_share_next_week", "mailer_share_last_week", "mailer_share_4_weeks",
  "front_page_share_next_week", "front_page_share_4_weeks",
  "display_share_next_week", "display_share_4_weeks",
  "month_start_days"
)
baseline_columns <- c("baseline_last_week", "baseline_mean_4_weeks", "baseline_mean_8_weeks")

week_start <- function(week) week_2_monday + 7 * (week - 2)

# Days of the week that begins on `monday` that are among the first seven of a month.
month_start_days <- function(monday) {
  days <- outer(as.integer(monday), 0:6, `+`)
  day_of_month <- as.POSIXlt(as.Date(c(days), origin = "1970-01-01"))$mday
  as.integer(rowSums(matrix(day_of_month <= 7, ncol = 7)))
}

# Mean of the `weeks` values before each one, or of as many as there are.
mean_before <- function(values, weeks) {
  before <- c(0, cumsum(values))[seq_along(values)]
  many <- seq_along(values) - 1
  start <- pmax(0, many - weeks)
  round((before - before[start + 1]) / pmin(many, weeks), 6)
}

# One row a series and forecast week. All columns but `actual_units` are known a week before:
# promotions of next week are planned, everything else lies behind.
add_features <- function(weekly) {
  setorder(weekly, category, store_group, week)
  weekly[, `:=`(
    units_last_week = shift(units, 1),
    units_2_weeks_ago = shift(units, 2),
    units_3_weeks_ago = shift(units, 3),
    units_4_weeks_ago = shift(units, 4),
    mean_units_8_weeks = mean_before(units, 8),
    mean_units_16_weeks = mean_before(units, longest_mean),
    category_units_last_week = shift(category_units, 1),
    category_mean_units_4_weeks = mean_before(category_units, 4),
    category_mean_units_8_weeks = mean_before(category_units, 8),
    mailer_share_next_week = mailer_share,
    mailer_share_last_week = shift(mailer_share, 1),
    mailer_share_4_weeks = mean_before(mailer_share, 4),
    front_page_share_next_week = front_page_share,
    front_page_share_4_weeks = mean_before(front_page_share, 4),
    display_share_next_week = display_share,
    display_share_4_weeks = mean_before(display_share, 4),
    weeks_known = seq_len(.N) - 1
  ), by = .(category, store_group)]
  weekly[, `:=`(
    series = paste(category, store_group, sep = " | "),
    week_start = week_start(week),
    month_start_days = month_start_days(week_start(week)),
    actual_units = units,
    baseline_last_week = units_last_week,
    baseline_mean_4_weeks = mean_4_weeks(weekly),
    baseline_mean_8_weeks = mean_units_8_weeks
  )]
  weekly[weeks_known >= warm_up_weeks]
}

# Weighted least squares that draws each coefficient towards zero by its penalty.
ridge <- function(x, y, weights, penalty) {
  drop(solve(crossprod(x, weights * x) + diag(penalty, ncol(x)), crossprod(x, weights * y)))
}

# What one average row adds to the diagonal of the normal equations.
average_row <- function(x, weights) colMeans(weights * x^2) + 1e-9

# First the effects that all categories share, then each category's own deviation from four of
# them, fitted to what is left and drawn towards none. Rows weigh by their units, because the
# errors that count are in units.
fit <- function(rows, category_shrinkage) {
  features <- design(rows)
  recent <- mean_4_weeks(rows)
  target <- log_ratio(rows$actual_units, recent)
  weights <- recent + 1
  coefficients <- ridge(features, target, weights, average_row(features, weights))
  left <- target - drop(features %*% coefficients)

  own <- features[, own_effects]
  penalty <- category_shrinkage * average_row(own, weights)
  categories <- sort(unique(rows$category), method = "radix")
  effects <- t(vapply(categories, function(name) {
    of <- which(rows$category == name)
    ridge(own[of, , drop = FALSE], left[of], weights[of], penalty)
  }, numeric(length(own_effects))))

  change <- target - left + rowSums(own * effects[rows$category, , drop = FALSE])
  # The mean of a logarithm is not the logarithm of the mean: the totals of training must agree.
  smearing <- log(sum(rows$actual_units + 1) / sum((recent + 1) * exp(change)))
  coefficients["intercept"] <- coefficients["intercept"] + smearing
  list(coefficients = coefficients, effects = effects)
}

write_artifact <- function(model, directory) {
  unlink(directory, recursive = TRUE)
  dir.create(directory)
  # Ten digits: no prediction differs by a thousandth of a unit, whatever library solved it.
  shared <- data.table(
    feature = names(model$coefficients), coefficient = signif(model$coefficients, 10)
  )
  own <- data.table(category = rownames(model$effects), signif(model$effects, 10))
  fwrite(shared, file.path(directory, "coefficients.csv"))
  fwrite(own, file.path(directory, "category_effects.csv"))
  file.copy("prepared/store_groups.csv", directory)
}

write_tables <- function(rows, settings) {
  dir.create("evaluation", showWarnings = FALSE)
  described <- c(input_columns, "week_start", "week", "series", "department", "actual_units")
  holdout <- rows[week > settings$last_train_week & week <= settings$last_holdout_week]
  analysis <- rows[week > settings$last_holdout_week]
  fwrite(holdout[, c(described, baseline_columns), with = FALSE], "evaluation/holdout.csv")
  fwrite(holdout[, described, with = FALSE], "evaluation/reference.csv")
  fwrite(analysis[, described, with = FALSE], "evaluation/analysis.csv")
  holdout
}

measure <- function(holdout, predicted) {
  error <- function(prediction) mean(abs(prediction - holdout$actual_units))
  baselines <- vapply(holdout[, baseline_columns, with = FALSE], error, numeric(1))
  c(
    mae = error(predicted),
    setNames(baselines, sub("baseline", "mae", baseline_columns)),
    wape = error(predicted) / mean(holdout$actual_units),
    bias = mean(predicted - holdout$actual_units),
    holdout_rows = nrow(holdout)
  )
}

write_metrics <- function(metrics) {
  values <- vapply(metrics, format, character(1), digits = 8)
  lines <- sprintf('  "%s": %s', names(metrics), values)
  writeLines(c("{", paste(lines, collapse = ",\n"), "}"), "metrics.json")
}

train <- function(settings) {
  rows <- add_features(fread("prepared/weekly.csv", na.strings = NULL))
  training <- rows[week <= settings$last_train_week]
  if (nrow(training) == 0) stop("no training week has ", warm_up_weeks, " weeks before it")
  write_artifact(fit(training, settings$category_shrinkage), "artifact")
  holdout <- write_tables(rows, settings)
  predicted <- predict_rows(load_model("artifact"), holdout)
  if (!all(is.finite(predicted))) stop("the model predicts no number for some rows of the holdout")
  metrics <- c(measure(holdout, predicted), training_rows = nrow(training))
  write_metrics(metrics)
  message("MAE on the holdout ", round(metrics["mae"], 2), " units")
}

train(settings)
