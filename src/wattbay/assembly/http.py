"""The HTTP server of a service: uvicorn, in the service's own loop."""

from __future__ import annotations

import socket
from contextlib import suppress

import uvicorn

from wattbay.adapters.api.app import create_app
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.route import UVICORN, attach
from wattbay.assembly.metrics import Gauges, registry_of
from wattbay.config import Http
from wattbay.errors import AdapterError

BACKLOG = 2_048
GRACEFUL_S = 5
"""How long requests under way may take when the service stops. [s]"""
KEEP_ALIVE_S = 75
PING_S = 20.0
MESSAGE_BYTES_MAX = 65_536


class HttpServer:
    """Serves the interface until it is cancelled."""

    def __init__(self, http: Http, node: Node, hub: Hub, gauges: Gauges, speed: int) -> None:
        """Make the application; nobody is let in before `open`.

        Parameters
        ----------
        speed
            How many seconds the exchange's clock takes in one of the day.
        """
        self._http = http
        self.app = create_app(node, registry=registry_of(gauges))
        self.streams = attach(self.app, hub, speed=float(speed))
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                host=http.host,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws=UVICORN["ws"],
                ws_per_message_deflate=False,
                ws_ping_interval=PING_S,
                ws_max_size=MESSAGE_BYTES_MAX,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACEFUL_S,
                ssl_certfile=http.certificate,
                ssl_keyfile=http.key,
                proxy_headers=http.behind_proxy,
            )
        )
        self._socket: socket.socket | None = None

    async def open(self) -> str:
        """Listen; return the address.

        Raises
        ------
        AdapterError
            If it is taken.
        """
        http = self._http
        family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((http.host, http.port))
        except OSError as error:
            listener.close()
            where, why = f"{http.host}:{http.port}", error.strerror
            msg = f"no web server can listen at {where}: {why} (another port: [http] port)"
            raise AdapterError(msg) from error
        listener.listen(BACKLOG)
        listener.settimeout(0)
        self._socket = listener
        scheme = "http" if http.certificate is None else "https"
        host = f"[{http.host}]" if ":" in http.host else http.host
        return f"{scheme}://{host}:{listener.getsockname()[1]}"

    async def run(self) -> None:
        """Serve until cancelled."""
        sockets = None if self._socket is None else [self._socket]
        # `serve` would take the process's signals for itself; they are the command line's.
        await self._server._serve(sockets)  # noqa: SLF001 - see above

    async def close(self) -> None:
        """Let go of the address."""
        self._server.should_exit = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
