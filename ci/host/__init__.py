"""`mlops host`: makes a machine serve what was released, and keeps it so."""
