# Tables as CSV with the standard library. A table is a Dict of columns, as text or missing.

"The columns of the CSV file `path`, by name; an empty cell is missing."
function read_table(path)
    header, rows = Iterators.peel(records(read(path, String)))
    rows = collect(rows)
    cell(row, at) = isempty(row[at]) ? missing : row[at]
    return Dict(name => [cell(row, at) for row in rows] for (at, name) in enumerate(header))
end

"The lines of CSV as vectors of cells; a cell in quotes may hold commas and line breaks."
function records(text)
    found, record, cell = Vector{String}[], String[], IOBuffer()
    quoted, previous = false, '\n'
    for letter in text
        if letter == '"'
            quoted = !quoted
            quoted && previous == '"' && print(cell, '"')
        elseif quoted || !(letter in (',', '\n', '\r'))
            print(cell, letter)
        elseif letter != '\r'
            push!(record, String(take!(cell)))
            letter == '\n' && (push!(found, record); record = String[])
        end
        previous = letter
    end
    if previous != '\n'
        push!(found, push!(record, String(take!(cell))))
    end
    return found
end

"Write the columns `names` of `table` to the CSV file `path`."
function write_table(path, names, table)
    columns = [table[name] for name in names]
    open(path, "w") do file
        println(file, join(names, ","))
        for row in eachindex(first(columns))
            println(file, join((in_csv(column[row]) for column in columns), ","))
        end
    end
end

in_csv(value) = string(value)
in_csv(::Missing) = ""
in_csv(text::AbstractString) =
    any(in(text), (',', '"', '\n', '\r')) ? "\"$(replace(text, "\"" => "\"\""))\"" : text
