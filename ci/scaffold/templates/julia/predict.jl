# The model: a table of terms, each with a weight.

include("table.jl")

"The tables that train.jl wrote."
function load_model(directory)
    terms = read_table(joinpath(directory, "coefficients.csv"))
    numbers(name) = parse.(Float64, terms[name])
    texts(name) = String.(coalesce.(terms[name], ""))
    # {{#regression}}
    range = read_table(joinpath(directory, "range.csv"))
    # {{/regression}}
    return (
        terms = collect(zip(
            texts("column"), texts("kind"), texts("category"), numbers("centre"), numbers("scale"),
        )),
        weights = numbers("weight"),
        # {{#regression}}
        lowest = parse(Float64, range["lowest"][1]),
        highest = parse(Float64, range["highest"][1]),
        # {{/regression}}
    )
end

"{{answer}} of each row; `rows` is a NamedTuple of columns."
function predict_rows(model, rows)
    score = design(model.terms, rows) * model.weights
    # {{#regression}}
    return clamp.(score, model.lowest, model.highest)
    # {{/regression}}
    # {{#classification}}
    return 1 ./ (1 .+ exp.(-score))
    # {{/classification}}
end

"One row a row, one standardised column a term (column, kind, category, centre, scale)."
design(terms, rows) = reduce(hcat, [(term_values(term, rows) .- term[4]) ./ term[5] for term in terms])

"A term before it is standardised; a missing number counts as the training mean."
function term_values((column, kind, category, centre, scale), rows)
    kind == "intercept" && return ones(length(first(rows)))
    values = rows[Symbol(column)]
    kind == "number" && return Float64.(coalesce.(values, centre))
    kind == "missing" && return Float64.(ismissing.(values))
    return Float64.(isequal.(values, category))
end
