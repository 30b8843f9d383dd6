# What the model reads. To add a column, name it here and under `input` in model.yaml.

const TABLE = "{{table}}"

# Name of a column in this model => its name in the table.
const COLUMNS = {{columns}}

# Inputs of the model.
const NUMBERS = {{numbers}}
const BOOLEANS = {{booleans}}
const CATEGORIES = {{categories}}

# What is predicted, as it turned out.
const ACTUAL = "{{actual}}"
# {{#classification}}
const YES = {{yes}}  # the value in the table that counts as 1, in lower case
# {{/classification}}
const BASELINE = "{{baseline}}"
# Rows of one unit are not independent of each other.
const UNIT = "{{unit}}"
# {{#time}}
const TIME = "{{time}}"
# {{/time}}
