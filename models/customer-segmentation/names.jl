# The names of the segments: a value tier, and within the middle tiers a shopping style.

const TIER_NAMES = ["occasional", "regular", "loyal", "devoted", "top"]
const STYLE_NAMES = ["fresh", "own-brand", "branded"]
# Occasional households buy too little to have a style; the upper tiers are too small to split.
const STYLED_TIERS = ["regular", "loyal"]

styles_of(tier) = tier in STYLED_TIERS ? ["$tier-$style" for style in STYLE_NAMES] : [tier]

"All segment names, from the least to the most expected spend."
segment_names() = reduce(vcat, styles_of.(TIER_NAMES))
