"""`mlops label`: predictions that a model is least sure of, offered to people and taken back."""
