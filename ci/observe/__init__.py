"""What Prometheus and Grafana need to watch the models that run here."""

from ci.observe.dashboard import dashboard
from ci.observe.rules import rules
from ci.observe.write import write

__all__ = ["dashboard", "rules", "write"]
