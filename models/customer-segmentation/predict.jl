# The segment of a household. Complete in itself: training uses these functions as they are.

"""
    load_model(directory)

The segmentation in the tables that training wrote to `directory`: a linear score of the
dollars a week to expect, the tiers it is cut into, and the styles within the middle tiers.
"""
function load_model(directory)
    score = read_table(joinpath(directory, "score.csv"))
    tiers = read_table(joinpath(directory, "tiers.csv"))
    shares = read_table(joinpath(directory, "shares.csv"))
    styles = read_table(joinpath(directory, "styles.csv"))
    return (
        intercept = numbers(score["weight"])[1],
        features = Symbol.(score["feature"][2:end]),
        weights = numbers(score["weight"])[2:end],
        tiers = tiers["tier"],
        bounds = numbers(tiers["from_dollars_a_week"])[2:end],
        styled = tiers["styled"] .== "true",
        shares = Symbol.(shares["share"]),
        means = numbers(shares["mean"]),
        scales = numbers(shares["scale"]),
        styles = styles["style"],
        centres = hcat([numbers(styles[share]) for share in shares["share"]]...),
    )
end

"""
    predict_rows(model, rows)

The segment of each row, as a vector of strings; `rows` is a NamedTuple of columns.
"""
function predict_rows(model, rows)
    tier = tiers_of(model, expected_spend(model, rows))
    style = styles_of_rows(model, rows)
    return [segment(model, t, s) for (t, s) in zip(tier, style)]
end

"Dollars a week that each row's household is expected to spend."
function expected_spend(model, rows)
    expected = fill(model.intercept, length(rows[first(model.features)]))
    for (feature, weight) in zip(model.features, model.weights)
        expected .+= weight .* rows[feature]
    end
    return expected
end

"Position of each value's tier; a value on a bound belongs to the lower tier."
tiers_of(model, expected) = [searchsortedfirst(model.bounds, value) for value in expected]

"Position of the nearest style of each row, whatever its tier."
function styles_of_rows(model, rows)
    points = standard_shares(model, rows)
    return [nearest(model.centres, view(points, row, :)) for row in 1:size(points, 1)]
end

"Row × share matrix in standard deviations; a missing share counts as the mean."
function standard_shares(model, rows)
    columns = [
        (coalesce.(rows[share], mean) .- mean) ./ scale
        for (share, mean, scale) in zip(model.shares, model.means, model.scales)
    ]
    return hcat(columns...)
end

"Row of `centres` with the least distance to `point`; the first one of equals."
function nearest(centres, point)
    best, least = 1, Inf
    for row in 1:size(centres, 1)
        distance = sum(abs2(centres[row, axis] - point[axis]) for axis in eachindex(point))
        distance < least && ((best, least) = (row, distance))
    end
    return best
end

segment(model, tier, style) =
    model.styled[tier] ? "$(model.tiers[tier])-$(model.styles[style])" : model.tiers[tier]

"Columns of a CSV file without quoted fields, as strings by name."
function read_table(path)
    rows = [split(line, ',') for line in readlines(path)]
    column(at) = String[row[at] for row in rows[2:end]]
    return Dict(String(name) => column(at) for (at, name) in enumerate(rows[1]))
end

numbers(column) = parse.(Float64, column)
