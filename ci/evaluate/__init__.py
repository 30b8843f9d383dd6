"""Candidate against champion and baselines, on the same rows, with uncertainty."""
