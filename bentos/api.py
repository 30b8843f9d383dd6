"""The process that answers HTTP: this Bento's service on uvicorn, on a socket that is open.

Arguments: descriptor of the socket, seconds to drain; with TLS, its certificate and key files.
"""

from __future__ import annotations

import ctypes
import gc
import signal
import socket
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
# A request of 1,000 rows makes 1,000 objects, none of them in a cycle.
COLLECT_AFTER = (10_000, 20, 20)
SWITCH_SECONDS = 0.001  # how long the thread that writes records may hold up requests
# This Bento's own code, wherever it is started from.
sys.path[0] = str(Path(__file__).resolve().parents[1])


def end_with_parent() -> None:
    """Have a killed supervisor take this process with it; else it would keep the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def configuration(app: Any, drain_seconds: int, tls: list[str]) -> Any:
    """uvicorn's, with nothing on the way of a request that the service does not need."""
    import uvicorn

    from bentos.connections import PatientProtocol

    certificate, key = tls or (None, None)
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_graceful_shutdown=drain_seconds,
    )


def main(arguments: list[str]) -> None:
    """Load the model while BentoML is imported, then answer until the end."""
    descriptor, drain_seconds, *tls = arguments
    end_with_parent()
    from bentos.model import served_model

    served_model().begin()
    import uvicorn
    from bentoml._internal.log import configure_server_logging

    from bentos.service import Model

    service: Any = Model  # BentoML's decorator makes a service of the class

    configure_server_logging()
    server = uvicorn.Server(configuration(service.to_asgi(), int(drain_seconds), tls))
    gc.collect()
    gc.set_threshold(*COLLECT_AFTER)
    gc.freeze()  # what was imported stays: a collection looks only at what requests left
    sys.setswitchinterval(SWITCH_SECONDS)
    server.run(sockets=[socket.socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main(sys.argv[1:])
