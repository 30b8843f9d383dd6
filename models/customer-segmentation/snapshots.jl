# What is known about each household at the end of a week, and what it did afterwards.

const RECENT_WEEKS = 12
const END_OF_WEEK_1 = Date(2017, 1, 1)

"""
    features(purchases, week)

One row per household that bought anything by the end of `week`, with the contract's
inputs as they stood then. Later purchases are not looked at.
"""
function features(purchases, week)
    rows = seen(purchases, week)
    return (
        spend_12_weeks = [dollars(sum(view(purchases.spend, row, recent(week)))) for row in rows],
        spend_trend = [digits4(slope(view(purchases.spend, row, recent(week)))) for row in rows],
        spend_per_week = [spend_per_week(purchases, row, week) for row in rows],
        typical_week_spend = [dollars(middle(purchases.spend[row, recent(week)])) for row in rows],
        visits_12_weeks = [sum(view(purchases.visits, row, recent(week))) for row in rows],
        recency_days = [recency(purchases, row, week) for row in rows],
        share_fresh = [share(purchases.fresh, purchases, row, recent(week)) for row in rows],
        share_private_brand =
            [share(purchases.private_brand, purchases, row, recent(week)) for row in rows],
    )
end

"What the same households did in the `horizon` weeks after `week`."
function outcomes(purchases, week, horizon)
    rows = seen(purchases, week)
    ahead = week + 1:week + horizon
    known = last(ahead) <= LAST_WEEK
    return (
        next_spend = Union{Missing,Float64}[
            known ? dollars(sum(view(purchases.spend, row, ahead))) : missing for row in rows
        ],
        next_share_fresh = Union{Missing,Float64}[
            known ? share(purchases.fresh, purchases, row, ahead) : missing for row in rows
        ],
        next_share_private_brand = Union{Missing,Float64}[
            known ? share(purchases.private_brand, purchases, row, ahead) : missing for row in rows
        ],
    )
end

"Rows of the households with a purchase by the end of `week`."
function seen(purchases, week)
    bought(row) = any(!iszero, view(purchases.last_day, row, 1:week))
    return filter(bought, eachindex(purchases.households))
end

households(purchases, week) = purchases.households[seen(purchases, week)]

"The Sunday on which `week` ends."
week_end(week) = END_OF_WEEK_1 + Day(7 * (week - 1))

"\"new\" for households first seen in the last twelve weeks, else \"known\"."
function tenures(purchases, week)
    is_new(row) = week - first_seen(purchases, row) < RECENT_WEEKS
    return [is_new(row) ? "new" : "known" for row in seen(purchases, week)]
end

recent(week) = week - RECENT_WEEKS + 1:week
first_seen(purchases, row) = findfirst(!iszero, view(purchases.last_day, row, :))

function spend_per_week(purchases, row, week)
    begin_week = first_seen(purchases, row)
    return dollars(sum(view(purchases.spend, row, begin_week:week)) / (week - begin_week + 1))
end

# A week ends in the small hours of Monday, hence never less than 0 days.
recency(purchases, row, week) =
    max(0, Dates.value(week_end(week)) - maximum(view(purchases.last_day, row, 1:week)))

"Share of the household's spend in `weeks` that `part` makes; missing where nothing was spent."
function share(part, purchases, row, weeks)
    total = sum(view(purchases.spend, row, weeks))
    return total > 0 ? digits4(sum(view(part, row, weeks)) / total) : missing
end

"Least-squares slope of `values` over their positions: the change per week."
function slope(values)
    middle_position = (length(values) + 1) / 2
    offsets = eachindex(values) .- middle_position
    return sum(offsets .* values) / sum(abs2, offsets)
end

function middle(values)
    sorted = sort(values)
    half = length(sorted) ÷ 2
    return isodd(length(sorted)) ? sorted[half + 1] : (sorted[half] + sorted[half + 1]) / 2
end

dollars(value) = round(value, digits = 2)
digits4(value) = round(value, digits = 4)
