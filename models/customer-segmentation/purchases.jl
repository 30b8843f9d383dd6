# Purchases of the ingested tables, added up by household and week.

using Dates

const LAST_WEEK = 53
# Fuel and gift cards are no groceries, and their quantities (gallons, cents) are 99 % of all.
const LEFT_OUT_DEPARTMENTS = ("FUEL", "MISCELLANEOUS", "COUPON")
const LEFT_OUT_CATEGORIES = ("COUPON/MISC ITEMS", "COUPON", "COUPONS/STORE & MFG")
const FRESH_DEPARTMENTS = ("PRODUCE", "MEAT", "SEAFOOD", "DELI", "PASTRY", "SALAD BAR")

"""
Household × week matrices: dollars (`spend`, and of it `fresh` and `private_brand`), number of
baskets (`visits`) and the last day of purchase (`last_day`, as `Dates.value`; 0 for none).
Rows follow `households`, in ascending order of the household's number.
"""
struct Purchases
    households::Vector{Int}
    spend::Matrix{Float64}
    fresh::Matrix{Float64}
    private_brand::Matrix{Float64}
    visits::Matrix{Int}
    last_day::Matrix{Int}
end

struct Product
    fresh::Bool
    private_brand::Bool
end

"Products that count as groceries, by their number."
function read_products(path)
    products = Dict{Int,Product}()
    scan(path, ["product_id", "department", "brand", "product_category"]) do bytes, spans
        department = text(bytes, spans[2])
        department in LEFT_OUT_DEPARTMENTS && return
        text(bytes, spans[4]) in LEFT_OUT_CATEGORIES && return
        private_brand = text(bytes, spans[3]) == "Private"
        products[whole(bytes, spans[1])] = Product(department in FRESH_DEPARTMENTS, private_brand)
    end
    return products
end

struct Line
    household::Int
    week::Int
    basket::Int
    dollars::Float64
    day::Int
    product::Product
end

const LINE_COLUMNS =
    ["household_id", "week", "basket_id", "sales_value", "transaction_timestamp", "product_id"]

"""
    read_purchases(transactions, products, first_week)

Purchases from `first_week` to week 53; lines of products that `products` lacks are left out.
"""
function read_purchases(transactions, products, first_week)
    lines = Line[]
    scan(transactions, LINE_COLUMNS) do bytes, spans
        product = get(products, whole(bytes, spans[6]), nothing)
        week = whole(bytes, spans[2])
        (product === nothing || week < first_week) && return
        week <= LAST_WEEK || error("$transactions has week $week; the last one is $LAST_WEEK")
        household, basket = whole(bytes, spans[1]), whole(bytes, spans[3])
        dollars, day = decimal(bytes, spans[4]), day_number(bytes, spans[5])
        push!(lines, Line(household, week, basket, dollars, day, product))
    end
    isempty(lines) && error("$transactions holds no purchase from week $first_week on")
    return add_up(lines)
end

"The day of an ISO timestamp such as `2017-01-02 05:05:54`, as `Dates.value`."
function day_number(bytes, span)
    length(span) >= 10 || error("$(text(bytes, span)) is no ISO timestamp")
    at = first(span)
    year, month = whole(bytes, at:at + 3), whole(bytes, at + 5:at + 6)
    return Dates.value(Date(year, month, whole(bytes, at + 8:at + 9)))
end

function add_up(lines)
    households = sort!(unique(line.household for line in lines))
    row_of = Dict(household => row for (row, household) in enumerate(households))
    shape = (length(households), LAST_WEEK)
    spend, fresh, private_brand = zeros(shape), zeros(shape), zeros(shape)
    visits, last_day = zeros(Int, shape), zeros(Int, shape)
    baskets = Set{Tuple{Int,Int}}()
    for line in lines
        row, week = row_of[line.household], line.week
        spend[row, week] += line.dollars
        line.product.fresh && (fresh[row, week] += line.dollars)
        line.product.private_brand && (private_brand[row, week] += line.dollars)
        last_day[row, week] = max(last_day[row, week], line.day)
        basket = (row, line.basket)
        basket in baskets && continue
        push!(baskets, basket)
        visits[row, week] += 1
    end
    return Purchases(households, spend, fresh, private_brand, visits, last_day)
end

"Age band by household, for the households whose demographics are known."
function read_age_bands(path)
    bands = Dict{Int,String}()
    scan(path, ["household_id", "age"]) do bytes, spans
        isempty(spans[2]) || (bands[whole(bytes, spans[1])] = text(bytes, spans[2]))
    end
    return bands
end
