"""Where a released version runs; `local` is this machine."""
