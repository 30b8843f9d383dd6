"""Every policy that there is: a new one is listed here, to be checked and documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.contract.access import AccessPolicy
from ci.contract.alerting import AlertingPolicy
from ci.contract.data import DataPolicy
from ci.contract.deployment import DeploymentPolicy
from ci.contract.images import ImagesPolicy
from ci.contract.monitoring import MonitoringPolicy
from ci.contract.promotion import PromotionPolicy
from ci.contract.retraining import RetrainingPolicy
from ci.contract.trust import TrustPolicy

if TYPE_CHECKING:
    from ci.contract.policy import Policy

POLICIES: tuple[type[Policy], ...] = (
    PromotionPolicy,
    DeploymentPolicy,
    ImagesPolicy,
    MonitoringPolicy,
    AlertingPolicy,
    RetrainingPolicy,
    AccessPolicy,
    DataPolicy,
    TrustPolicy,
)
