# Purchases and promotions become one row a series (category and store group) and week.
#
# What is chosen from data (store groups, store weights, series) is chosen from the training
# weeks only. A product's weight in a week's promotion share is its units before that week.

library(data.table)

tables <- "../../data/complete-journey/tables"

# FUEL and MISCELLANEOUS hold 99 % of all units, in thousands a line; the rest are no goods.
departments_left_out <- c("FUEL", "MISCELLANEOUS", "COUPON")
categories_left_out <- c(
  "", "BOTTLE DEPOSITS", "COUPON", "COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "MISCELLANEOUS"
)
fresh_departments <- c("DELI", "FLORAL", "MEAT", "PASTRY", "PRODUCE", "SALAD BAR", "SEAFOOD")
group_names <- c("low_fresh", "middle_fresh", "high_fresh")

# Stores and series that sell in fewer of the training weeks are no regular ones.
regular_store <- 0.9
regular_series <- 0.75

# Front page, back page and the wrap around the mailer.
front_pages <- c("D", "F", "H", "L")
promotion_columns <- c("mailer_share", "front_page_share", "display_share")

read_purchases <- function(first_week) {
  purchases <- fread(
    file.path(tables, "transactions.csv"),
    select = c("store_id", "product_id", "quantity", "week")
  )
  products <- fread(
    file.path(tables, "products.csv"),
    select = c("product_id", "department", "product_category"), na.strings = NULL
  )
  setnames(products, "product_category", "category")
  products <- products[
    !department %chin% departments_left_out & !category %chin% categories_left_out
  ]
  purchases <- purchases[week >= first_week & quantity > 0]
  purchases[products, on = "product_id", nomatch = NULL]
}

read_promotions <- function(first_week) {
  promotions <- fread(cmd = paste("gzip -dc", shQuote(file.path(tables, "promotions.csv.gz"))))
  promotions[week >= first_week]
}

# Regular stores in three groups of about equal units, by the share of fresh food they sell.
group_stores <- function(purchases, weeks) {
  stores <- purchases[, .(
    units = sum(quantity),
    weeks_open = uniqueN(week),
    fresh_share = sum(quantity[department %chin% fresh_departments]) / sum(quantity)
  ), by = store_id]
  stores <- stores[weeks_open >= regular_store * weeks]
  if (nrow(stores) < length(group_names)) stop("too few stores sell in the training weeks")
  setorder(stores, fresh_share, store_id)
  stores[, position := (cumsum(units) - units / 2) / sum(units)]
  stores[, store_group := group_names[1 + floor(length(group_names) * position)]]
  stores[, weight := units / sum(units), by = store_group]
  stores[, .(store_id, store_group, weight, fresh_share)]
}

choose_series <- function(purchases, weeks, minimum_weekly_units) {
  series <- purchases[, .(
    mean_units = sum(quantity) / weeks, share_of_weeks = uniqueN(week) / weeks
  ), by = .(category, store_group)]
  series <- series[mean_units >= minimum_weekly_units & share_of_weeks >= regular_series]
  if (nrow(series) == 0) {
    stop("no category sells ", minimum_weekly_units, " units a week: lower minimum_weekly_units")
  }
  departments <- purchases[, .(units = sum(quantity)), by = .(category, department)]
  setorder(departments, category, -units, department)
  departments <- departments[, .(department = department[1]), by = category]
  departments[series[, .(category, store_group)], on = "category"]
}

# `units` of the series, and `category_units` of its category in all store groups.
weekly_units <- function(purchases, series, weeks) {
  sold <- purchases[, .(units = sum(quantity)), by = .(category, store_group, week)]
  everywhere <- sold[, .(units = sum(units)), by = .(category, week)]
  grid <- series[rep(seq_len(nrow(series)), each = length(weeks))]
  grid[, week := rep(weeks, times = nrow(series))]
  grid[sold, units := i.units, on = .(category, store_group, week)]
  grid[everywhere, category_units := i.units, on = .(category, week)]
  setnafill(grid, fill = 0L, cols = c("units", "category_units"))
}

# Share of a store group's trade in whose stores a product is promoted, by product and week.
promoted_products <- function(promotions, stores) {
  row <- match(promotions$store_id, stores$store_id)
  weight <- stores$weight[row]
  promotions[, `:=`(
    group = match(stores$store_group, group_names)[row],
    mailer_share = weight * (mailer_location != "0"),
    front_page_share = weight * (mailer_location %chin% front_pages),
    display_share = weight * (display_location != "0")
  )]
  shares <- promotions[!is.na(group), lapply(.SD, sum),
    by = .(product_id, group, week), .SDcols = promotion_columns
  ]
  # A product can stand in two places of one store.
  shares[, (promotion_columns) := lapply(.SD, pmin, 1), .SDcols = promotion_columns]
  shares[, `:=`(store_group = group_names[group], group = NULL)]
}

# Units of each product, and of its category, in all weeks before the week `known_from`.
units_before <- function(purchases, keys) {
  totals <- purchases[, .(units = as.numeric(sum(quantity))), by = c(keys, "week")]
  setorderv(totals, c(keys, "week"))
  totals[, before := cumsum(units), by = keys]
  totals[, `:=`(known_from = week + 1L, week = NULL, units = NULL)]
}

# Share of each category's trade that is promoted: products count by their units before the week.
category_shares <- function(products, purchases) {
  of_product <- units_before(purchases, c("category", "product_id"))
  of_category <- units_before(purchases, "category")
  products[, known_from := week]
  shares <- of_product[products, on = .(product_id, known_from), roll = TRUE, nomatch = NULL]
  shares <- shares[, lapply(.SD, function(share) sum(share * before)),
    by = .(category, store_group, week), .SDcols = promotion_columns
  ]
  shares[, known_from := week]
  shares <- of_category[shares, on = .(category, known_from), roll = TRUE]
  shares[, (promotion_columns) := lapply(.SD, function(share) round(share / before, 6)),
    .SDcols = promotion_columns
  ]
  shares[, c("category", "store_group", "week", promotion_columns), with = FALSE]
}

add_promotions <- function(weekly, shares) {
  weekly <- shares[weekly, on = .(category, store_group, week)]
  setnafill(weekly, fill = 0, cols = promotion_columns)
  setcolorder(weekly, c("category", "store_group", "department", "week"))
  setorder(weekly, category, store_group, week)
}

prepare <- function(settings) {
  purchases <- read_purchases(settings$first_week)
  training <- purchases[week <= settings$last_train_week]
  weeks <- settings$last_train_week - settings$first_week + 1
  stores <- group_stores(training, weeks)
  purchases[stores, store_group := i.store_group, on = "store_id"]
  purchases <- purchases[!is.na(store_group)]
  series <- choose_series(
    purchases[week <= settings$last_train_week], weeks, settings$minimum_weekly_units
  )
  all_weeks <- seq(as.integer(settings$first_week), max(purchases$week))
  weekly <- weekly_units(purchases, series, all_weeks)
  products <- promoted_products(read_promotions(settings$first_week), stores)
  weekly <- add_promotions(weekly, category_shares(products, purchases))

  dir.create("prepared", showWarnings = FALSE)
  fwrite(weekly, "prepared/weekly.csv")
  fwrite(stores[order(store_id), .(store_id, store_group)], "prepared/store_groups.csv")
  message(nrow(series), " series of ", nrow(stores), " stores, ", length(all_weeks), " weeks")
}

prepare(settings)
