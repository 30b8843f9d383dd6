# Reading and writing CSV with the standard library only. A file is scanned as bytes: the 100 MB
# of transactions take seconds, where splitting each line into strings would take a minute.

const COMMA = UInt8(',')
const QUOTE = UInt8('"')
const NEWLINE = UInt8('\n')
const RETURN = UInt8('\r')

"""
    scan(visit, path, names)

Call `visit(bytes, spans)` for every row of the CSV file `path`. `spans[i]` is the range of
`bytes` that holds the column `names[i]`; quoted fields keep their quotes (see `text`).
"""
function scan(visit, path, names)
    isfile(path) || error("$path is missing; type: dvc repro data/complete-journey/dvc.yaml")
    bytes = read(path)
    fields = UnitRange{Int}[]
    at = split_row!(fields, bytes, 1)
    header = [text(bytes, field) for field in fields]
    positions = [position(header, name, path) for name in names]
    spans = Vector{UnitRange{Int}}(undef, length(names))
    line = 1
    while at <= length(bytes)
        line += 1
        at = split_row!(fields, bytes, at)
        length(fields) == length(header) ||
            error("$path line $line has $(length(fields)) fields, its header $(length(header))")
        for (i, place) in enumerate(positions)
            spans[i] = fields[place]
        end
        visit(bytes, spans)
    end
    return nothing
end

function position(header, name, path)
    place = findfirst(isequal(name), header)
    place === nothing && error("$path has no column $name")
    return place
end

"Fill `fields` with the field ranges of the row that begins at `at`; the next row's begin."
function split_row!(fields, bytes, at)
    empty!(fields)
    start = at
    quoted = false
    while at <= length(bytes)
        byte = bytes[at]
        if byte == QUOTE
            quoted = !quoted
        elseif !quoted && (byte == COMMA || byte == NEWLINE)
            push!(fields, start:at - 1)
            start = at + 1
            byte == NEWLINE && break
        end
        at += 1
    end
    at > length(bytes) && push!(fields, start:at - 1)
    last_field = fields[end]
    if !isempty(last_field) && bytes[last(last_field)] == RETURN
        fields[end] = first(last_field):last(last_field) - 1
    end
    return at + 1
end

"The text of a field, without quotes."
function text(bytes, span)
    found = String(bytes[span])
    startswith(found, '"') || return found
    return replace(found[nextind(found, 1):prevind(found, lastindex(found))], "\"\"" => "\"")
end

"The whole number in a field."
function whole(bytes, span)
    isempty(span) && error("a whole number is missing")
    value = 0
    for at in span
        digit = Int(bytes[at]) - Int('0')
        0 <= digit <= 9 || error("$(text(bytes, span)) is no whole number")
        value = 10value + digit
    end
    return value
end

"The decimal number in a field."
decimal(bytes, span) = parse(Float64, String(bytes[span]))

"""
    read_frame(path, numbers)

The CSV file `path` as a NamedTuple of columns: those in `numbers` as Float64 (with `missing`
where a field is empty), all others as strings.
"""
function read_frame(path, numbers)
    isfile(path) || error("$path is missing; type: dvc repro")
    header = Symbol.(split(readline(path), ','))
    columns = [String[] for _ in header]
    scan(path, String.(header)) do bytes, spans
        for (column, span) in zip(columns, spans)
            push!(column, text(bytes, span))
        end
    end
    typed(name, column) = name in numbers ? to_numbers(column) : column
    return NamedTuple{Tuple(header)}(Tuple(map(typed, header, columns)))
end

function to_numbers(column)
    parsed = Union{Missing,Float64}[isempty(v) ? missing : parse(Float64, v) for v in column]
    return any(ismissing, parsed) ? parsed : Float64.(parsed)
end

"Write a NamedTuple of equally long columns as CSV; `missing` becomes an empty field."
function write_frame(path, frame)
    mkpath(dirname(path))
    open(path, "w") do io
        println(io, join(keys(frame), ','))
        for row in zip(frame...)
            join(io, (field(value) for value in row), ',')
            println(io)
        end
    end
    return nothing
end

field(value) = ismissing(value) ? "" : quoted(string(value))
quoted(value) = any(in("\",\n"), value) ? "\"$(replace(value, "\"" => "\"\""))\"" : value
