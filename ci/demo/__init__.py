"""The main job, end to end, on one machine: what `make demo` shows."""
