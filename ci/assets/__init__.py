"""Release assets as the store that outlives every cache: Bentos, and the data they come from."""
