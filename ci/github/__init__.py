"""GitHub as the platform: what a step knows about its run, the REST API, workflow commands.

`context` and `workflow` need the standard library only; `client` needs requests.
"""
