"""What the model reads. To add a column, name it here and under `input` in model.yaml."""

TABLE = "{{table}}"

# Name of a column in this model -> its name in the table.
COLUMNS = {{columns}}

# Inputs of the model.
NUMBERS = {{numbers}}
BOOLEANS = {{booleans}}
CATEGORIES = {{categories}}

# What is predicted, as it turned out.
ACTUAL = "{{actual}}"
# {{#classification}}
YES = {{yes}}  # the value in the table that counts as 1, in lower case
# {{/classification}}
BASELINE = "{{baseline}}"
# Rows of one unit are not independent of each other.
UNIT = "{{unit}}"
# {{#time}}
TIME = "{{time}}"
# {{/time}}
