"""`mlops render`: a model's manifests for a GitOps controller of a Kubernetes cluster."""

from ci.manifests.render import render

__all__ = ["render"]
