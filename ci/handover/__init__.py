"""The handover: what a pull request's job gives to the jobs that judge and deploy a model.

One folder (artifact `handover-<model>`), made by `make`, read by `read_handover`, which trusts
nothing in it.
"""

from ci.handover.manifest import Failure, Manifest
from ci.handover.read import Handover, Limits, read_handover

__all__ = ["Failure", "Handover", "Limits", "Manifest", "read_handover"]
