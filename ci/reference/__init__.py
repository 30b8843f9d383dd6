"""The reference pages in docs/reference/, written from the code so that they can't go stale."""

from ci.reference.pages import FOLDER, pages

__all__ = ["FOLDER", "pages"]
