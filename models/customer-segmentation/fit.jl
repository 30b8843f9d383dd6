# How the segmentation is learned: score, then tiers, then styles.

const SCORE_FEATURES = [
    :spend_12_weeks, :spend_trend, :spend_per_week, :typical_week_spend, :visits_12_weeks,
    :recency_days,
]
const STYLE_SHARES = [:share_fresh, :share_private_brand]

"""
    fit(rows, settings, generator)

Learn a segmentation (of the form that `load_model` returns) from snapshots: the score from all
of them and what followed, tiers and styles from the households as they stood in the last one.
`settings` has `horizon_weeks`, `ridge` and `restarts`.
"""
function fit(rows, settings, generator)
    score = fit_score(rows, settings)
    latest = pick(rows, findall(isequal(maximum(rows.week)), rows.week))
    expected = expected_spend(score, latest)
    bounds = natural_bounds(expected, length(TIER_NAMES))
    tiers = (tiers = TIER_NAMES, bounds = bounds, styled = in.(TIER_NAMES, Ref(STYLED_TIERS)))
    styled = findall(tier -> tiers.styled[tier], tiers_of(tiers, expected))
    styles = fit_styles(pick(latest, styled), settings.restarts, generator)
    return merge(score, tiers, styles)
end

pick(rows, positions) = map(column -> column[positions], rows)

"Ridge regression of dollars a week in the following weeks; features are standardised for it."
function fit_score(rows, settings)
    target = rows.next_spend ./ settings.horizon_weeks
    columns = [Float64.(rows[feature]) for feature in SCORE_FEATURES]
    means, scales = mean_of.(columns), scale_of.(columns)
    standard = [(column .- m) ./ s for (column, m, s) in zip(columns, means, scales)]
    centred = target .- mean_of(target)
    products = [dot(one, other) for one in standard, other in standard]
    for at in eachindex(standard)
        products[at, at] += settings.ridge
    end
    weights = solve(products, [dot(column, centred) for column in standard]) ./ scales
    intercept = mean_of(target) - dot(weights, means)
    return (intercept = intercept, features = SCORE_FEATURES, weights = weights)
end

mean_of(values) = sum(values) / length(values)

function scale_of(values)
    mean = mean_of(values)
    spread = sqrt(sum(value -> abs2(value - mean), values) / length(values))
    return spread > 0 ? spread : 1.0
end

# Plain loops instead of BLAS: the same sums in the same order on every machine.
function dot(one, other)
    total = 0.0
    for at in eachindex(one)
        total += one[at] * other[at]
    end
    return total
end

"Solution of a small positive definite system, by Gaussian elimination."
function solve(matrix, right)
    a, b = copy(matrix), copy(right)
    size = length(b)
    for pivot in 1:size, row in pivot + 1:size
        factor = a[row, pivot] / a[pivot, pivot]
        a[row, :] .-= factor .* a[pivot, :]
        b[row] -= factor * b[pivot]
    end
    for row in size:-1:1
        b[row] = (b[row] - dot(a[row, row + 1:size], b[row + 1:size])) / a[row, row]
    end
    return b
end

"k-means of the standardised shares of the households that get a style."
function fit_styles(rows, restarts, generator)
    count = length(STYLE_NAMES)
    length(rows.week) >= count || error("fewer than $count households in the styled tiers")
    known = [collect(skipmissing(rows[share])) for share in STYLE_SHARES]
    scaling = (shares = STYLE_SHARES, means = mean_of.(known), scales = scale_of.(known))
    points = standard_shares(scaling, rows)
    centres = best_centres(points, count, restarts, generator)
    return merge(scaling, (styles = STYLE_NAMES, centres = in_named_order(centres)))
end

"Centres in the order of STYLE_NAMES: most own-brand of all, most fresh of the rest, the last."
function in_named_order(centres)
    own_brand = argmax(centres[:, 2])
    rest = [row for row in 1:size(centres, 1) if row != own_brand]
    fresh = rest[argmax(centres[rest, 1])]
    branded = only(row for row in rest if row != fresh)
    return centres[[fresh, own_brand, branded], :]
end

function best_centres(points, count, restarts, generator)
    tries = [lloyd(points, first_centres(points, count, generator)) for _ in 1:restarts]
    return tries[argmin([within(points, centres) for centres in tries])]
end

within(points, centres) = sum(row -> nearest_distance(centres, points[row, :]), 1:size(points, 1))

nearest_distance(centres, point) = sum(abs2, centres[nearest(centres, point), :] .- point)

"k-means++: each next centre is drawn in proportion to its squared distance from those before."
function first_centres(points, count, generator)
    centres = points[[draw!(generator, size(points, 1))], :]
    while size(centres, 1) < count
        reach = cumsum([nearest_distance(centres, points[row, :]) for row in 1:size(points, 1)])
        row = searchsortedfirst(reach, unit!(generator) * reach[end])
        centres = vcat(centres, points[[row], :])
    end
    return centres
end

"Lloyd's iterations until no row changes its centre; an emptied centre stays where it was."
function lloyd(points, centres)
    before = Int[]
    while true
        own = [nearest(centres, view(points, row, :)) for row in 1:size(points, 1)]
        own == before && return centres
        centres = moved(points, own, centres)
        before = own
    end
end

function moved(points, own, centres)
    after = copy(centres)
    for centre in 1:size(centres, 1)
        rows = findall(isequal(centre), own)
        isempty(rows) || (after[centre, :] = sum(points[rows, :], dims = 1) ./ length(rows))
    end
    return after
end

"""
    write_model(directory, model)

Write a segmentation for `load_model`. Ten digits are kept, so that another processor's last
bits do not make another artifact.
"""
function write_model(directory, model)
    write_frame(joinpath(directory, "score.csv"), (
        feature = vcat(:intercept, model.features),
        weight = short.(vcat(model.intercept, model.weights)),
    ))
    write_frame(joinpath(directory, "tiers.csv"), (
        tier = model.tiers,
        from_dollars_a_week = short.(vcat(0.0, model.bounds)),
        styled = model.styled,
    ))
    write_frame(joinpath(directory, "shares.csv"), (
        share = model.shares, mean = short.(model.means), scale = short.(model.scales),
    ))
    centres = [short.(model.centres[:, axis]) for axis in eachindex(model.shares)]
    names = (:style, model.shares...)
    write_frame(joinpath(directory, "styles.csv"), NamedTuple{names}((model.styles, centres...)))
end

short(value) = round(value, sigdigits = 10)
