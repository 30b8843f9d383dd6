# Stage train: learn the weights, and measure the model on the holdout.

using LinearAlgebra

include("columns.jl")
include("predict.jl")

"Rows that prepare.jl wrote, as a NamedTuple with the types that the model's inputs have."
function read_rows(path)
    table = read_table(path)
    return (; (Symbol(name) => typed(name, column) for (name, column) in table)...)
end

function typed(name, column)
    name in BOOLEANS && return [ismissing(text) ? missing : lowercase(text) == "true" for text in column]
    name in [NUMBERS; ACTUAL; BASELINE] || return column
    return [ismissing(text) ? missing : parse(Float64, text) for text in column]
end

"What gets a weight: column, kind, category, and the centre and scale to standardise by."
function terms_of(rows)
    found = Tuple{String,String,String,Float64,Float64}[("", "intercept", "", 0, 1)]
    for name in [NUMBERS; BOOLEANS]
        values = rows[Symbol(name)]
        known = Float64[value for value in values if !ismissing(value)]
        isempty(known) || push!(found, (name, "number", "", mean(known), spread(known)))
        any(ismissing, values) && push!(found, (name, "missing", "", 0, 1))
    end
    for name in CATEGORIES
        values = rows[Symbol(name)]
        for category in sort(unique(skipmissing(values)))
            push!(found, (name, "category", category, 0, 1))
        end
        any(ismissing, values) && push!(found, (name, "missing", "", 0, 1))
    end
    return found
end

mean(values) = sum(values) / length(values)

"Standard deviation; 1 where all values are the same."
function spread(values)
    deviation = sqrt(mean(abs2.(values .- mean(values))))
    return deviation > 0 ? deviation : 1.0
end

# {{#regression}}
"A weight a term; the intercept, which is the first, is not drawn towards zero."
function weights_of(inputs, actual, ridge)
    penalty = Diagonal([0; fill(ridge, size(inputs, 2) - 1)])
    return (inputs' * inputs + penalty) \ (inputs' * actual)
end

"Mean absolute error, in units of the target."
mean_error(guess, actual) = mean(abs.(guess .- actual))
# {{/regression}}
# {{#classification}}
"""
A weight a term, by Newton's method; the intercept, which is the first, is not drawn towards zero.
"""
function weights_of(inputs, actual, ridge)
    penalty = Diagonal([0; fill(ridge, size(inputs, 2) - 1)])
    weights = zeros(size(inputs, 2))
    for step in 1:50
        probability = 1 ./ (1 .+ exp.(-inputs * weights))
        slope = inputs' * (actual .- probability) - penalty * weights
        curvature = inputs' * (inputs .* (probability .* (1 .- probability))) + penalty
        change = curvature \ slope
        weights += change
        maximum(abs, change) < 1e-9 && break
    end
    return weights
end

"Mean log loss of probabilities."
mean_error(guess, actual) =
    -mean(log.(max.(ifelse.(actual .== 1, guess, 1 .- guess), 1e-15)))
# {{/classification}}

function write_model(directory, terms, weights, actual)
    mkpath(directory)
    names = ["column", "kind", "category", "centre", "scale"]
    table = Dict{String,Vector}(name => [term[at] for term in terms] for (at, name) in enumerate(names))
    table["weight"] = weights
    write_table(joinpath(directory, "coefficients.csv"), [names; "weight"], table)
    # {{#regression}}
    lowest, highest = extrema(actual)
    write(joinpath(directory, "range.csv"), "lowest,highest\n$lowest,$highest\n")
    # {{/regression}}
end

function train(ridge)
    rows, holdout = read_rows("prepared/train.csv"), read_rows("evaluation/holdout.csv")
    actual, outcome = rows[Symbol(ACTUAL)], holdout[Symbol(ACTUAL)]
    # {{#classification}}
    length(unique(actual)) < 2 &&
        error("all training rows have the same outcome; there is nothing to learn")
    # {{/classification}}
    terms = terms_of(rows)
    write_model("artifact", terms, weights_of(design(terms, rows), actual, ridge), actual)
    guess = predict_rows(load_model("artifact"), holdout)
    write("metrics.json", """
    {
      "training_rows": $(length(actual)),
      "holdout_rows": $(length(outcome)),
      "{{metric}}": $(mean_error(guess, outcome)),
      "{{metric}}_{{baseline_name}}": $(mean_error(holdout[Symbol(BASELINE)], outcome))
    }
    """)
end

train(parse(Float64, ARGS[1]))
