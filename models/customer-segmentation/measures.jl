# Measures of a segmentation, and a random number generator that every Julia version shares.

"SplitMix64: Julia's own streams differ from version to version, this one does not."
mutable struct Generator
    state::UInt64
end

Generator(seed::Int) = Generator(UInt64(seed))

function next!(generator)
    generator.state += 0x9e3779b97f4a7c15
    mixed = (generator.state ⊻ (generator.state >> 30)) * 0xbf58476d1ce4e5b9
    mixed = (mixed ⊻ (mixed >> 27)) * 0x94d049bb133111eb
    return mixed ⊻ (mixed >> 31)
end

"A whole number from 1 to `count`."
draw!(generator, count::Int) = Int(next!(generator) % UInt64(count)) + 1

"A number from 0 up to, but not, 1."
unit!(generator) = (next!(generator) >> 11) * 2.0^-53

"Positions of a bootstrap resample of `count` units."
resample!(generator, count) = [draw!(generator, count) for _ in 1:count]

"Labels as numbers from 1, in the order of first appearance."
function codes(labels)
    known = Dict{eltype(labels),Int}()
    return [get!(known, label, length(known) + 1) for label in labels]
end

"""
    explained(codes, values)

Share of the variance of `values` that lies between the groups `codes` (eta squared).
"""
function explained(codes, values)
    sums, counts = zeros(maximum(codes)), zeros(Int, maximum(codes))
    for (code, value) in zip(codes, values)
        sums[code] += value
        counts[code] += 1
    end
    mean = sum(values) / length(values)
    between = sum(n * (s / n - mean)^2 for (s, n) in zip(sums, counts) if n > 0)
    return between / sum(value -> (value - mean)^2, values)
end

"""
    interval(measure, generator, units, repeats)

95 % percentile interval of `measure(positions)` over `repeats` resamples of `units` positions.
"""
function interval(measure, generator, units, repeats)
    found = sort!([measure(resample!(generator, units)) for _ in 1:repeats])
    at(share) = found[clamp(ceil(Int, share * repeats), 1, repeats)]
    return (at(0.025), at(0.975))
end

"Adjusted Rand index of two labellings: 1 for the same groups, about 0 for unrelated ones."
function adjusted_rand(one, other)
    both = zeros(maximum(one), maximum(other))
    for (a, b) in zip(one, other)
        both[a, b] += 1
    end
    pairs(n) = n * (n - 1) / 2
    together, total = sum(pairs, both), pairs(length(one))
    in_one, in_other = sum(pairs, sum(both, dims = 2)), sum(pairs, sum(both, dims = 1))
    chance = in_one * in_other / total
    return (together - chance) / ((in_one + in_other) / 2 - chance)
end

"""
    silhouette(points, codes)

Mean silhouette width of the columns of `points` (dimension × row) in the groups `codes`.
"""
function silhouette(points, codes)
    groups = maximum(codes)
    sizes = [count(isequal(group), codes) for group in 1:groups]
    total = 0.0
    sums = zeros(groups)
    for row in eachindex(codes)
        distance_sums!(sums, points, codes, row)
        total += width(sums, sizes, codes[row])
    end
    return total / length(codes)
end

function distance_sums!(sums, points, codes, row)
    fill!(sums, 0.0)
    for other in eachindex(codes)
        square = 0.0
        for axis in 1:size(points, 1)
            square += (points[axis, row] - points[axis, other])^2
        end
        sums[codes[other]] += sqrt(square)
    end
    return sums
end

function width(sums, sizes, own)
    sizes[own] == 1 && return 0.0
    inside = sums[own] / (sizes[own] - 1)
    outside = minimum(sums[g] / sizes[g] for g in eachindex(sums) if g != own && sizes[g] > 0)
    return (outside - inside) / max(outside, inside)
end
