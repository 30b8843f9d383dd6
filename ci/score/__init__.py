"""Batch scoring: a file in, the same file with predictions out."""

from ci.score.finish import Scored
from ci.score.job import Shard
from ci.score.merge import merge, merge_with
from ci.score.score import score, score_with

__all__ = ["Scored", "Shard", "merge", "merge_with", "score", "score_with"]
