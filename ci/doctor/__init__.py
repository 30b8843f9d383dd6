"""`mlops doctor`: what is wrong on this machine, and what to type."""

from ci.doctor.examine import AREAS, examine
from ci.doctor.finding import Finding

__all__ = ["AREAS", "Finding", "examine"]
