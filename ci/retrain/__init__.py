"""Retraining: what asks for it, what it changes, and the pull request that it makes."""
