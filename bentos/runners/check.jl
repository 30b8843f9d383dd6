# Prints what is wrong with a Julia file (see check.py). Arguments: the file, the functions it needs.

const FILE = ARGS[1]
const NEEDED = Symbol.(ARGS[2:end])

is_problem(part) = part isa Expr && part.head in (:error, :incomplete)

text_of(problem) = problem isa Exception ? sprint(showerror, problem) : string(problem)

# A part of a file that does not parse is preceded by its line.
function syntax_problem(parts)
    line = 1
    for part in parts
        part isa LineNumberNode && (line = part.line)
        is_problem(part) && return "$(basename(FILE)), line $line: $(text_of(part.args[1]))"
    end
    return nothing
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
    parsed = Base.parse_input_line(read(FILE, String); filename = FILE)
    parts = parsed isa Expr && parsed.head == :toplevel ? parsed.args : Any[parsed]
    problem = syntax_problem(parts)
    problem === nothing || return problem
    absent = setdiff(NEEDED, map(defined_name, parts))
    isempty(absent) || any(includes_others, parts) && return ""
    return isempty(absent) ? "" : "missing: $(join(absent, ' '))"
end

print(answer())
