"""Audit events: what happened to which model, by whom and why; append-only and hash-chained."""

from ci.events.event import Draft, Event, Lineage, Measured
from ci.events.log import Log, own_log, released_log

__all__ = ["Draft", "Event", "Lineage", "Log", "Measured", "own_log", "released_log"]
