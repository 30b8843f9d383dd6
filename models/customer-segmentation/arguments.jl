"""
    arguments(words, names)

Values of `--name value` pairs as a NamedTuple of numbers, in the order of `names`. DVC writes
these pairs from a section of `params.yaml`, so every name must be there and none other.
"""
function arguments(words, names)
    given = Dict{Symbol,Int}()
    for at in 1:2:length(words)
        name = Symbol(replace(words[at], r"^--" => ""))
        name in names || error("unknown parameter $name; known are $(join(names, ", "))")
        at < length(words) || error("parameter $name has no value")
        given[name] = whole_number(name, words[at + 1])
    end
    absent = filter(name -> !haskey(given, name), collect(names))
    isempty(absent) || error("parameter $(first(absent)) is missing in params.yaml")
    return NamedTuple{Tuple(names)}(Tuple(given[name] for name in names))
end

function whole_number(name, text)
    value = tryparse(Int, text)
    value === nothing && error("parameter $name must be a whole number, not $text")
    return value
end
