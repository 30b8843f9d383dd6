"""What a reviewer reads: Markdown with the verdict first."""

from ci.report.parts import Unjudged
from ci.report.report import render, report_on
from ci.report.sections import Subject

__all__ = ["Subject", "Unjudged", "render", "report_on"]
