# Prints what is wrong with a Julia file (see check.py). Arguments: the file, the functions it needs.

const FILE = ARGS[1]
const NEEDED = Symbol.(ARGS[2:end])

is_problem(part) = part isa Expr && part.head in (:error, :incomplete)

text_of(problem) = problem isa Exception ? sprint(showerror, problem) : string(problem)

# Where the next statement starts, past blank space and comments.
function next_start(code, position)
    gap = match(r"\G(?:\s|;|#=(?s:.*?)=#|#[^\n]*)*", code, position)
    return position + ncodeunits(gap.match)
end

# The statements of a file, or a text that says which of them does not parse.
function statements(code)
    parts = Any[]
    position = next_start(code, 1)
    while position <= ncodeunits(code)
        line = count(==('\n'), SubString(code, 1, prevind(code, position))) + 1
        part, position = Meta.parse(code, position; raise = false)
        is_problem(part) && return "$(basename(FILE)), line $line: $(text_of(part.args[1]))"
        append!(parts, part isa Expr && part.head == :toplevel ? part.args : [part])
        position = next_start(code, position)
    end
    return parts
end

defined_name(part::Symbol) = part
defined_name(part) = nothing
function defined_name(part::Expr)
    part.head in (:function, :(=), :call, :where, :(::), :const) && return defined_name(part.args[1])
    part.head == :macrocall && return defined_name(part.args[end])
    return nothing
end

includes_others(part) = false
includes_others(part::Expr) =
    (part.head == :call && part.args[1] == :include) || any(includes_others, part.args)

function answer()
    parts = statements(read(FILE, String))
    parts isa String && return parts
    absent = setdiff(NEEDED, map(defined_name, parts))
    isempty(absent) || any(includes_others, parts) && return ""
    return isempty(absent) ? "" : "missing: $(join(absent, ' '))"
end

print(answer())
