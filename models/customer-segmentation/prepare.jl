# From the ingested tables to snapshots of households: what training learns from, the holdout,
# and the two periods that monitoring compares.

include("arguments.jl")
include("tables.jl")
include("purchases.jl")
include("snapshots.jl")
include("names.jl")
include("cuts.jl")

const TABLES = joinpath(@__DIR__, "..", "..", "data", "complete-journey", "tables")
const SETTINGS = (
    :first_week, :first_snapshot, :snapshot_step, :last_training_week, :last_reference_week,
    :horizon_weeks,
)

function prepare(settings)
    products = read_products(joinpath(TABLES, "products.csv"))
    transactions = joinpath(TABLES, "transactions.csv")
    purchases = read_purchases(transactions, products, settings.first_week)
    ages = read_age_bands(joinpath(TABLES, "demographics.csv"))
    split = settings.last_training_week
    past = settings.first_snapshot:settings.snapshot_step:split - settings.horizon_weeks
    reference = split + 1:settings.last_reference_week
    analysis = settings.last_reference_week + 1:LAST_WEEK
    learned_from(week) = training_rows(purchases, week, settings)
    monitored(week) = dated_rows(purchases, week, settings)
    save(name, frame) = write_frame(joinpath(@__DIR__, name), frame)
    save("prepared/train.csv", stack(learned_from, past))
    save("evaluation/holdout.csv", holdout_rows(purchases, ages, split, settings))
    save("evaluation/reference.csv", stack(monitored, reference))
    save("evaluation/analysis.csv", stack(monitored, analysis))
end

stack(rows_of, weeks) = map(vcat, map(rows_of, weeks)...)

function training_rows(purchases, week, settings)
    inputs = features(purchases, week)
    keys = (household_id = households(purchases, week), week = fill(week, length(inputs[1])))
    return merge(keys, inputs, outcomes(purchases, week, settings.horizon_weeks))
end

"One row per household at the end of `week`, with slices and the baseline to beat."
function holdout_rows(purchases, ages, week, settings)
    rows = training_rows(purchases, week, settings)
    bands = equal_count_bands(rows.spend_12_weeks, length(segment_names()))
    extra = (
        age_band = [get(ages, household, "unknown") for household in rows.household_id],
        tenure = tenures(purchases, week),
        spend_quantile = ["band $band" for band in bands],
    )
    return merge(rows, extra)
end

"One row per household at the end of `week`, as the weekly run would see it."
function dated_rows(purchases, week, settings)
    inputs = features(purchases, week)
    keys = (
        household_id = households(purchases, week),
        snapshot_date = fill(week_end(week), length(inputs[1])),
    )
    spend = outcomes(purchases, week, settings.horizon_weeks).next_spend
    return merge(keys, inputs, (next_spend = spend,))
end

prepare(arguments(ARGS, SETTINGS))
