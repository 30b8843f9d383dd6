"""Runs a model's DVC pipeline and records the run."""

from ci.pipeline.candidate import Candidate, current_candidate
from ci.pipeline.train import train

__all__ = ["Candidate", "current_candidate", "train"]
