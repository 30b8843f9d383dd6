"""The one BentoML service of every model: BentoML's life cycle around our own application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bentoml
from _bentoml_sdk import Service  # bentoml.Service is the old kind

from bentos.bundle import ACCESS_VARIABLE, RECORDS_VARIABLE, path_of
from bentos.model import served_model

if TYPE_CHECKING:
    from bentos.app import ASGI


class ModelService(Service[Any]):  # type: ignore[misc]  # BentoML has no types for us
    """A service whose requests reach our application before BentoML's."""

    def to_asgi(self, is_main: bool = True) -> ASGI:
        """Our application around BentoML's; the model's workers begin to load meanwhile."""
        model = served_model()
        model.begin()
        inner = super().to_asgi(is_main)
        from bentos.access import Access
        from bentos.app import Application
        from bentos.records import Records

        records = Records(path_of(RECORDS_VARIABLE), model.bundle)
        access = Access(path_of(ACCESS_VARIABLE), model.bundle.name)
        return Application(model, inner, records, access)


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
        await served_model().started()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """End the workers."""
        await served_model().stop()
