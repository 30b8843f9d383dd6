"""Datasets: validating them, bringing one in, reading anyone's tables, and their digests."""
