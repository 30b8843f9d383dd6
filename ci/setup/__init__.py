"""What runs before the environment exists: standard library only, nothing imported from `.venv`."""
