"""The trusted half of a pull request: judge what its jobs handed over, and say it.

Everything that comes from the pull request is read as data: Git objects and zip files. Nothing
of it is checked out or run; code, policies and `evaluation` are those of the default branch.
"""
