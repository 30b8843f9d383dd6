"""What must outlive every machine: small files on the branch `mlops-state`, never overwritten."""

from ci.state.branch import StateBranch

__all__ = ["StateBranch"]
