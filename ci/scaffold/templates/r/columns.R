# What the model reads. To add a column, name it here and under `input` in model.yaml.

table_file <- "{{table}}"

# Name of a column in this model = its name in the table.
columns <- {{columns}}

# Inputs of the model.
numbers <- {{numbers}}
booleans <- {{booleans}}
categories <- {{categories}}

# What is predicted, as it turned out.
actual <- "{{actual}}"
# {{#classification}}
yes <- {{yes}} # the value in the table that counts as 1, in lower case
# {{/classification}}
baseline <- "{{baseline}}"
# Rows of one unit are not independent of each other.
unit <- "{{unit}}"
# {{#time}}
time <- "{{time}}"
# {{/time}}
