# Next week's units of each row, from the files in artifact/ and base R alone.
#
# The model predicts how next week compares with the mean of the last four weeks, as a logarithm:
# the same effects for all categories, plus a category's own deviation from four of them.

# In a month of average length, a week has so many days among the month's first seven.
usual_month_start_days <- 7 * 7 * 12 / 365

mean_4_weeks <- function(rows) {
  (rows$units_last_week + rows$units_2_weeks_ago + rows$units_3_weeks_ago +
    rows$units_4_weeks_ago) / 4
}

log_ratio <- function(units, recent) log((units + 1) / (recent + 1))

# One row a row, one column a feature.
design <- function(rows) {
  recent <- mean_4_weeks(rows)
  category_recent <- rows$category_mean_units_4_weeks
  cbind(
    intercept = 1,
    last_week = log_ratio(rows$units_last_week, recent),
    two_weeks_ago = log_ratio(rows$units_2_weeks_ago, recent),
    three_weeks_ago = log_ratio(rows$units_3_weeks_ago, recent),
    eight_weeks = log_ratio(rows$mean_units_8_weeks, recent),
    sixteen_weeks = log_ratio(rows$mean_units_16_weeks, recent),
    category_last_week = log_ratio(rows$category_units_last_week, category_recent),
    category_eight_weeks = log_ratio(rows$category_mean_units_8_weeks, category_recent),
    level = log(recent + 1),
    month_start = rows$month_start_days - usual_month_start_days,
    mailer = rows$mailer_share_next_week - rows$mailer_share_4_weeks,
    front_page = rows$front_page_share_next_week - rows$front_page_share_4_weeks,
    display = rows$display_share_next_week - rows$display_share_4_weeks,
    mailer_last_week = rows$mailer_share_last_week - rows$mailer_share_4_weeks,
    mailer_usual = rows$mailer_share_4_weeks
  )
}

load_model <- function(directory) {
  shared <- read.csv(file.path(directory, "coefficients.csv"))
  own <- read.csv(file.path(directory, "category_effects.csv"), na.strings = character())
  effects <- as.matrix(own[-1])
  rownames(effects) <- own$category
  list(coefficients = setNames(shared$coefficient, shared$feature), effects = effects)
}

predict_rows <- function(model, rows) {
  features <- design(rows)
  effects <- model$effects[match(rows$category, rownames(model$effects)), , drop = FALSE]
  effects[is.na(effects)] <- 0 # a category without effects of its own behaves like all
  change <- drop(features[, names(model$coefficients), drop = FALSE] %*% model$coefficients) +
    rowSums(features[, colnames(effects), drop = FALSE] * effects)
  pmax(0, (mean_4_weeks(rows) + 1) * exp(change) - 1)
}
