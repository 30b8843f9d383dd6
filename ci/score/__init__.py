"""Batch scoring: a file in, the same file with predictions out."""

from ci.score.score import Scored, score, score_with

__all__ = ["Scored", "score", "score_with"]
