"""The one BentoML service of every model: BentoML's life cycle around our own application."""

from __future__ import annotations

import ctypes
import functools
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from _bentoml_sdk import Service  # bentoml.Service is the old kind

if TYPE_CHECKING:
    from bentos.app import ASGI
    from bentos.model import ServedModel

PR_SET_PDEATHSIG = 1
DIRECTORY = Path(__file__).resolve().parents[1]


@functools.cache
def served_model() -> ServedModel:
    """The model in this Bento; not read before a server process needs it."""
    from bentos.bundle import read_bundle
    from bentos.model import ServedModel

    return ServedModel(read_bundle(DIRECTORY))


class ModelService(Service[Any]):  # type: ignore[misc]  # BentoML has no types for us
    """A service whose requests reach our application before BentoML's."""

    def to_asgi(self, is_main: bool = True) -> ASGI:
        """Our application around BentoML's; the model's workers begin to load meanwhile."""
        model = served_model()
        model.begin()
        inner = super().to_asgi(is_main)
        from bentos.app import Application

        return Application(model, inner)


@bentoml.service(
    name="model",
    service_class=ModelService,
    workers=1,
    logging={"access": {"enabled": False}},
)
class Model:
    """Waits for the model's workers before the first request and ends them after the last."""

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Be ready only when the model is loaded and warm."""
        _end_with_parent()
        await served_model().started()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """End the workers."""
        await served_model().stop()


def _end_with_parent() -> None:
    """Have a killed supervisor take this process with it; else it would keep the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
