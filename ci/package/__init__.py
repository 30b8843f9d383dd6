"""Packages a candidate as a Bento."""

from ci.package.package import Packaged, package

__all__ = ["Packaged", "package"]
