# Runs a Julia model: answers calls on fd 3 with replies on fd 4 (see process.py; frames: wire.py).
# Arguments: the predict file, the artifact folder.
#
# The platform lives in a module of its own, so that Main is the model's, as in a script: objects
# that a training script serialised there are found again.
module PlatformWorker

const REQUESTS = fdio(3)
const REPLIES = fdio(4)
const LARGEST_FRAME = 2^28

read_values(io, ::Type{T}, n) where {T} = read!(io, Vector{T}(undef, n))

read_text(io, n) = String(read_values(io, UInt8, n))

function read_texts(io, rows)
    sizes = read_values(io, UInt32, rows)
    blob = read_values(io, UInt8, sum(Int, sizes))
    texts = Vector{String}(undef, rows)
    position = 1
    for row in 1:rows
        texts[row] = GC.@preserve blob unsafe_string(pointer(blob, position), sizes[row])
        position += sizes[row]
    end
    return texts
end

# Integers become Int: arithmetic on Int32 would overflow silently.
function read_kind(io, kind, rows)
    kind == 1 && return read_values(io, Float64, rows)
    kind == 2 && return Vector{Int}(read_values(io, Int32, rows))
    kind == 3 && return Vector{Bool}(read_values(io, UInt8, rows) .!= 0)
    return read_texts(io, rows)
end

function with_missing(values::Vector{T}, mask) where {T}
    result = Vector{Union{Missing,T}}(values)
    for row in eachindex(mask)
        mask[row] != 0 && (result[row] = missing)
    end
    return result
end

# Kind, whether it has a mask, and name.
function read_label(io)
    kind = read(io, UInt8)
    masked = read(io, UInt8) != 0
    return (kind, masked, Symbol(read_text(io, read(io, UInt16))))
end

function read_frame(body)
    io = IOBuffer(body)
    width, rows = Int(read(io, UInt32)), Int(read(io, UInt32))
    read(io, UInt32)
    labels = [read_label(io) for _ in 1:width]
    masks = [masked ? read_values(io, UInt8, rows) : UInt8[] for (_, masked, _) in labels]
    columns = Vector{Any}(undef, width)
    for kind in 1:4, place in 1:width
        labels[place][1] == kind || continue
        values = read_kind(io, kind, rows)
        columns[place] = labels[place][2] ? with_missing(values, masks[place]) : values
    end
    return NamedTuple{Tuple(last.(labels))}(Tuple(columns))
end

filled(values, filler) = collect(typeof(filler), coalesce.(values, filler))

function write_integers(io, values)
    small = all(v -> typemin(Int32) < v <= typemax(Int32), values)
    small && return (0x02, write(io, Vector{Int32}(values)))
    exact = all(v -> -2^53 <= v <= 2^53, values)
    exact || error("predict_rows returned whole numbers above 2^53, which are not exact")
    return (0x01, write(io, Vector{Float64}(values)))
end

function write_texts(io, texts)
    all(isvalid, texts) || error("predict_rows returned text that is not UTF-8")
    write(io, UInt32[ncodeunits(text) for text in texts])
    for text in texts
        write(io, text)
    end
    return 0x04
end

# Writes the values and returns the kind of the column.
function write_values(io, values)
    type = nonmissingtype(eltype(values))
    type === Union{} && return (write(io, zeros(length(values))); 0x01)
    type <: Bool && return (write(io, Vector{UInt8}(filled(values, false))); 0x03)
    type <: Integer && return first(write_integers(io, filled(values, zero(type))))
    type <: AbstractFloat && return (write(io, Vector{Float64}(filled(values, zero(type)))); 0x01)
    type <: AbstractString && return write_texts(io, String[coalesce(v, "") for v in values])
    error("predict_rows returned values of type $type, which are no numbers, booleans or texts")
end

# Kind, label, mask and values of a column, as bytes.
function column_bytes(name, values)
    values isa AbstractVector || error("predict_rows returned a $(typeof(values)), no vector")
    isconcretetype(nonmissingtype(eltype(values))) || (values = identity.(values))
    masked = Missing <: eltype(values) && any(ismissing, values)
    body, label = IOBuffer(), IOBuffer()
    kind = write_values(body, values)
    text = string(name)
    write(label, kind, UInt8(masked), UInt16(ncodeunits(text)), text)
    mask = masked ? UInt8[ismissing(value) for value in values] : UInt8[]
    return (kind = kind, label = take!(label), mask = mask, values = take!(body))
end

columns_of(result::NamedTuple) = pairs(result)
columns_of(result::AbstractVector) = ["" => result]
columns_of(result) =
    error("predict_rows returned a $(typeof(result)), not a vector or a NamedTuple of vectors")

function frame_bytes(result)
    columns = columns_of(result)
    sizes = unique(length(values) for (_, values) in columns)
    length(sizes) > 1 && error("predict_rows returned columns of different lengths: $sizes")
    encoded = [column_bytes(name, values) for (name, values) in columns]
    schema = reduce(vcat, (column.label for column in encoded); init = UInt8[])
    io = IOBuffer()
    rows = isempty(sizes) ? 0 : sizes[1]
    write(io, UInt32(length(columns)), UInt32(rows), UInt32(length(schema)), schema)
    for column in encoded
        write(io, column.mask)
    end
    for column in sort(encoded; by = column -> column.kind)
        write(io, column.values)
    end
    io.size > LARGEST_FRAME && error("the result is larger than a frame may be")
    return take!(io)
end

function send(kind, number, body)
    write(REPLIES, kind, UInt32(number), UInt32(length(body)), body)
    flush(REPLIES)
    return nothing
end

# Julia buffers what goes to a file, and a worker may be killed at any time.
function flush_log()
    try
        flush(stdout)
        flush(stderr)
    catch
        # The model closed its own log.
    end
end

# The frames above the caller of this function: the model's. Looking up the platform's frames below
# and having Julia print the whole stack would cost seconds once and 0.1 s each time.
function frames_of(trace, depth)
    own = trace[1:max(length(trace) - depth, 0)]
    return [frame for place in own for frame in StackTraces.lookup(place) if !frame.from_c]
end

# The innermost line of the model's folder on the stack.
function location(frames, folder)
    for frame in frames
        file = String(frame.file)
        dirname(file) == folder && return " ($(basename(file)), line $(frame.line))"
    end
    return ""
end

function describe(err, frames, folder)
    if err isa LoadError
        where_ = " ($(basename(err.file)), line $(err.line))"
        return sprint(showerror, err.error) * where_
    end
    return sprint(showerror, err) * location(frames, folder)
end

function fail(number, err, frames, folder)
    try
        showerror(stderr, err)
        println(stderr)
        for frame in frames
            println(stderr, "  ", frame.func, " at ", frame.file, ":", frame.line)
        end
    catch
        # The model closed its own log.
    end
    flush_log()
    send("FAIL", number, Vector{UInt8}(codeunits(describe(err, frames, folder))))
end

function load(predict_file, artifact)
    Base.include(Main, predict_file)
    for name in (:load_model, :predict_rows)
        Base.invokelatest(isdefined, Main, name) ||
            error("$(basename(predict_file)) defines no function $name")
    end
    return Base.invokelatest(Base.invokelatest(getfield, Main, :load_model), artifact)
end

function open_model(predict_file, artifact)
    try
        model = load(predict_file, artifact)
        send("OPEN", 0, UInt8[])
        return model
    catch err
        fail(0, err, frames_of(catch_backtrace(), length(backtrace())), dirname(predict_file))
        exit(1)
    end
end

function answer(model, number, rows, folder)
    body = try
        predict = Base.invokelatest(getfield, Main, :predict_rows)
        frame_bytes(Base.invokelatest(predict, model, rows))
    catch err
        err isa InterruptException && exit(1)
        return fail(number, err, frames_of(catch_backtrace(), length(backtrace())), folder)
    end
    send("DONE", number, body)
    flush_log()
end

function serve(model, folder)
    while !eof(REQUESTS)
        read_values(REQUESTS, UInt8, 4)
        number = read(REQUESTS, UInt32)
        body = read_values(REQUESTS, UInt8, read(REQUESTS, UInt32))
        answer(model, number, read_frame(body), folder)
    end
end

# launch.py has SIGTERM ignored, but Julia blocks it and waits for it: a blocked signal is kept.
function ignore_polite_end()
    signals, sigterm, unblock = zeros(UInt8, 128), 15, Sys.isapple() ? 2 : 1
    ccall(:sigaddset, Cint, (Ptr{UInt8}, Cint), signals, sigterm)
    ccall(:pthread_sigmask, Cint, (Cint, Ptr{UInt8}, Ptr{Cvoid}), unblock, signals, C_NULL)
end

function main(predict_file, artifact)
    ignore_polite_end()
    empty!(ARGS)
    serve(open_model(predict_file, artifact), dirname(predict_file))
end

end

PlatformWorker.main(ARGS[1], ARGS[2])
