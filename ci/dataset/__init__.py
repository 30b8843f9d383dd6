"""Datasets: validating them, bringing one in, and reading anyone's tables."""
