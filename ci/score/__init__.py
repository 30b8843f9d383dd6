"""Batch scoring: a file in, the same file with predictions out."""

from ci.score.job import Shard
from ci.score.score import Scored, merge, merge_with, score, score_with

__all__ = ["Scored", "Shard", "merge", "merge_with", "score", "score_with"]
