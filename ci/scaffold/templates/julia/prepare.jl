# Stage prepare: divide the table into rows to learn from and rows to judge the model on.

include("columns.jl")
include("table.jl")

"Rows of which the outcome is known; inputs as text, as they stand in the table."
function read_rows()
    table = read_table(TABLE)
    rows = Dict{String,Vector}(name => table[header] for (name, header) in COLUMNS)
    # {{#row_id}}
    rows[UNIT] = string.(1:length(rows[ACTUAL]))
    # {{/row_id}}
    # {{#time}}
    needed = (ACTUAL, UNIT, TIME)
    # {{/time}}
    # {{#random}}
    needed = (ACTUAL, UNIT)
    # {{/random}}
    known = [all(!ismissing(rows[name][row]) for name in needed) for row in eachindex(rows[ACTUAL])]
    rows = pick(rows, known)
    # {{#regression}}
    rows[ACTUAL] = parse.(Float64, rows[ACTUAL])
    # {{/regression}}
    # {{#classification}}
    rows[ACTUAL] = Int.(lowercase.(rows[ACTUAL]) .== YES)
    # {{/classification}}
    return rows
end

pick(rows, wanted) = Dict{String,Vector}(name => column[wanted] for (name, column) in rows)

# {{#time}}
"The oldest rows, the next, the newest; a day is never divided."
function split_rows(rows, train_share, holdout_share)
    day = [first(time, 10) for time in rows[TIME]]
    days = sort(day)
    holdout_from = days[floor(Int, length(days) * train_share) + 1]
    analysis_from = days[floor(Int, length(days) * (train_share + holdout_share)) + 1]
    train, analysis = day .< holdout_from, day .>= analysis_from
    return pick(rows, train), pick(rows, .!train .& .!analysis), pick(rows, analysis)
end
# {{/time}}
# {{#random}}
"A number in [0, 1) that looks random and stays a unit's own when rows are added."
function share_of(unit, seed)
    state = Int(seed)
    for byte in [codeunits(unit); zeros(UInt8, 3)]
        state = (state * 16807 + byte + 1) % 2147483647
    end
    return state / 2147483647
end

"The rows to learn from, and the holdout; rows of one unit stay together."
function split_rows(rows, holdout_share, seed)
    held = [share_of(unit, seed) < holdout_share for unit in rows[UNIT]]
    return pick(rows, .!held), pick(rows, held)
end
# {{/random}}

function prepare(shares)
    parts = split_rows(read_rows(), shares...)
    if any(isempty(part[ACTUAL]) for part in parts)
        error("a part of the split has no rows; change the shares in params.yaml")
    end
    # {{#time}}
    train, holdout, analysis = parts
    # {{/time}}
    # {{#random}}
    train, holdout = parts
    # {{/random}}
    holdout[BASELINE] = fill(sum(train[ACTUAL]) / length(train[ACTUAL]), length(holdout[ACTUAL]))
    names = unique([first.(COLUMNS); UNIT])
    mkpath("prepared")
    mkpath("evaluation")
    write_table("prepared/train.csv", names, train)
    write_table("evaluation/holdout.csv", [names; BASELINE], holdout)
    # {{#time}}
    write_table("evaluation/reference.csv", names, holdout)
    write_table("evaluation/analysis.csv", names, analysis)
    # {{/time}}
end

prepare(parse.(Float64, ARGS))
