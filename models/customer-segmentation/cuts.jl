# Ways to cut one number into bands.

"Band of each value, 1 to `count`, so that all bands hold equally many; ties keep their order."
function equal_count_bands(values, count)
    bands = zeros(Int, length(values))
    for (rank, at) in enumerate(sortperm(values))
        bands[at] = (rank - 1) * count ÷ length(values) + 1
    end
    return bands
end

"""
    natural_bounds(values, count)

The `count - 1` upper bounds of all bands but the last that leave the least variance within
bands. Exact (dynamic programming over the sorted values), so it needs no random start.
"""
function natural_bounds(values, count)
    sorted = sort(values)
    length(unique(sorted)) >= count || error("fewer than $count different values: nothing to cut")
    starts = band_starts(sorted .- sum(sorted) / length(sorted), count)
    return [(sorted[start - 1] + sorted[start]) / 2 for start in starts]
end

function band_starts(sorted, count)
    size = length(sorted)
    sums, squares = cumsum(vcat(0.0, sorted)), cumsum(vcat(0.0, abs2.(sorted)))
    function spread(from, to)
        total = sums[to + 1] - sums[from]
        return squares[to + 1] - squares[from] - total^2 / (to - from + 1)
    end
    least = [spread(1, to) for to in 1:size]
    start_of = ones(Int, count, size)
    for band in 2:count
        least = add_band!(view(start_of, band, :), least, band, spread)
    end
    return trace_back(start_of)
end

"Least spread of the values up to each position with one band more; its start goes to `start_of`."
function add_band!(start_of, before, band, spread)
    best = fill(Inf, length(before))
    for to in band:length(before), from in band:to
        cost = before[from - 1] + spread(from, to)
        if cost < best[to]
            best[to] = cost
            start_of[to] = from
        end
    end
    return best
end

function trace_back(start_of)
    count, to = size(start_of)
    starts = Int[]
    for band in count:-1:2
        pushfirst!(starts, start_of[band, to])
        to = starts[1] - 1
    end
    return starts
end

"Band of each value by upper `bounds`; a value on a bound belongs to the lower band."
bands(bounds, values) = [searchsortedfirst(bounds, value) for value in values]
