# Learn the segmentation from the training snapshots, and measure it on the holdout.

include("arguments.jl")
include("tables.jl")
include("names.jl")
include("measures.jl")
include("cuts.jl")
include("predict.jl")
include("fit.jl")

const SETTINGS = (:horizon_weeks, :seed, :ridge, :restarts, :resamples, :bootstrap)
const NUMBERS = (
    :household_id, :week, SCORE_FEATURES..., STYLE_SHARES..., :next_spend, :next_share_fresh,
    :next_share_private_brand,
)

function train(settings)
    rows = read_frame(joinpath(@__DIR__, "prepared", "train.csv"), NUMBERS)
    holdout = read_frame(joinpath(@__DIR__, "evaluation", "holdout.csv"), NUMBERS)
    write_model(joinpath(@__DIR__, "artifact"), fit(rows, settings, Generator(settings.seed)))
    model = load_model(joinpath(@__DIR__, "artifact"))
    segments = predict_rows(model, holdout)
    metrics = merge(
        spend_metrics(model, holdout, segments, settings),
        style_metrics(model, holdout, segments),
        (silhouette = silhouette(dollar_points(model, holdout), codes(segments)),),
        (stability = stability(rows, holdout, settings),),
    )
    write_metrics(joinpath(@__DIR__, "metrics.json"), metrics)
    print_profile(model, holdout, segments, settings)
end

"Next-period spend explained, against other ways to make as many segments."
function spend_metrics(model, holdout, segments, settings)
    count = length(segment_names())
    expected, past = expected_spend(model, holdout), holdout.spend_12_weeks
    own = codes(segments)
    quantiles = codes(holdout.spend_quantile)
    natural = bands(natural_bounds(past, count), past)
    spend = holdout.next_spend
    generator = Generator(settings.seed)
    part(groups) = rows -> explained(groups[rows], spend[rows])
    gain(groups) = rows -> part(own)(rows) - part(groups)(rows)
    range(measure) = interval(measure, generator, length(spend), settings.bootstrap)
    low, high = range(part(own))
    quantile_low, quantile_high = range(gain(quantiles))
    natural_low, natural_high = range(gain(natural))
    tiers = length(TIER_NAMES)
    return (
        spend_explained = explained(own, spend),
        spend_explained_low = low,
        spend_explained_high = high,
        quantiles_explained = explained(quantiles, spend),
        gain_on_quantiles_low = quantile_low,
        gain_on_quantiles_high = quantile_high,
        natural_cuts_explained = explained(natural, spend),
        gain_on_natural_cuts_low = natural_low,
        gain_on_natural_cuts_high = natural_high,
        tiers_explained = explained(tiers_of(model, expected), spend),
        natural_cuts_as_many_as_tiers = explained(bands(natural_bounds(past, tiers), past), spend),
        quantiles_as_many_as_tiers = explained(equal_count_bands(past, tiers), spend),
        score_cuts_explained = explained(bands(natural_bounds(expected, count), expected), spend),
        score_r2 = r2(expected .* settings.horizon_weeks, spend),
    )
end

function r2(predicted, actual)
    mean = mean_of(actual)
    return 1 - sum(abs2, actual .- predicted) / sum(value -> abs2(value - mean), actual)
end

"""
How much the segments, and the quantiles, tell of the next shares of fresh goods and own brands,
over the households in the tiers that are split by style.
"""
function style_metrics(model, holdout, segments)
    styled = findall(tier -> model.styled[tier], tiers_of(model, expected_spend(model, holdout)))
    rows, segments = pick(holdout, styled), segments[styled]
    fresh, own_brand = rows.next_share_fresh, rows.next_share_private_brand
    return (
        fresh_explained = explained_share(segments, fresh),
        fresh_explained_by_quantiles = explained_share(rows.spend_quantile, fresh),
        own_brand_explained = explained_share(segments, own_brand),
        own_brand_explained_by_quantiles = explained_share(rows.spend_quantile, own_brand),
    )
end

function explained_share(labels, shares)
    bought = findall(!ismissing, shares)
    return explained(codes(labels[bought]), Float64.(shares[bought]))
end

"""
Axes in dollars a week, so that nothing has to be weighted: the spend to expect, and how much
more of it than usual goes to fresh goods and to own brands (3 × row).
"""
function dollar_points(model, rows)
    expected = expected_spend(model, rows)
    beyond = standard_shares(model, rows) .* model.scales'
    return permutedims(hcat(expected, expected .* beyond))
end

"Mean adjusted Rand index between segmentations learned from resamples of the households."
function stability(rows, holdout, settings)
    generator = Generator(settings.seed)
    rows_of = rows_by_household(rows.household_id)
    found = map(1:settings.resamples) do _
        drawn = resample!(generator, length(rows_of))
        sample = pick(rows, reduce(vcat, rows_of[drawn]))
        codes(predict_rows(fit(sample, settings, generator), holdout))
    end
    pairs = [(one, other) for one in eachindex(found) for other in 1:one - 1]
    return mean_of([adjusted_rand(found[one], found[other]) for (one, other) in pairs])
end

function rows_by_household(ids)
    groups = Dict{eltype(ids),Vector{Int}}()
    for (row, id) in enumerate(ids)
        push!(get!(groups, id, Int[]), row)
    end
    return [groups[id] for id in sort!(collect(keys(groups)))]
end

function write_metrics(path, metrics)
    all(isfinite, metrics) || error("a metric is not finite: $metrics")
    lines = ["  \"$name\": $(round(metrics[name], digits = 4))" for name in keys(metrics)]
    write(path, "{\n$(join(lines, ",\n"))\n}\n")
end

"The table of segments in the model card, from the holdout's households."
function print_profile(model, holdout, segments, settings)
    println("| segment | households | spend, 12 weeks | visits | fresh | own brand | next week |")
    println("|---|---|---|---|---|---|---|")
    for name in segment_names()
        rows = pick(holdout, findall(isequal(name), segments))
        cells = [
            name, length(rows.week), dollar_mean(rows.spend_12_weeks),
            round(known_mean(rows.visits_12_weeks), digits = 1), percent_mean(rows.share_fresh),
            percent_mean(rows.share_private_brand),
            dollar_mean(rows.next_spend ./ settings.horizon_weeks),
        ]
        println("| ", join(cells, " | "), " |")
    end
end

known_mean(column) = mean_of(collect(skipmissing(column)))
dollar_mean(column) = "\$$(round(known_mean(column), digits = 1))"
percent_mean(column) = "$(round(100known_mean(column), digits = 1)) %"

train(arguments(ARGS, SETTINGS))
