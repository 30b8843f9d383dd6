"""GitHub as far as the workflows need it: one repository, its API and its Git, on 127.0.0.1."""

from tests.workflows.standin.hub import Hub, Token
from tests.workflows.standin.server import Standin

__all__ = ["Hub", "Standin", "Token"]
