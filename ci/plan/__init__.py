"""Which models a change touches, and why."""

from ci.plan.plan import Touched, plan, touched_models

__all__ = ["Touched", "plan", "touched_models"]
