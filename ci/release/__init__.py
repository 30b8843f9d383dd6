"""Moves versions: deploy, rollback, stop, status."""
