"""Drift checks with NannyML: has the world moved away from what the model learned?"""

from ci.monitor.drift import Checked, check_drift

__all__ = ["Checked", "check_drift"]
