"""The platform: everything behind the command `mlops` and the workflow steps."""
