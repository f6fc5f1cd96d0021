"""A partner's endpoint on loopback, for the demo: it believes what the SDK verifies, and nothing else."""

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from voketag_sdk import WebhookEvent, webhooks
from voketag_sdk.errors import WebhookRejected


class WebhookReceiver:
    """Receives in a thread of its own. `with WebhookReceiver() as receiver`; `secret` is set once it is known."""

    def __init__(self) -> None:
        self.secret = ""
        self.events: queue.Queue[WebhookEvent] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook-receiver", daemon=True)

    @property
    def url(self) -> str:
        """Where it receives."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/voketag"

    def __enter__(self) -> Self:
        """Begin to receive."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(receiver: WebhookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status = 204
            try:
                receiver.events.put(webhooks.verify(body, dict(self.headers.items()), receiver.secret))
            except WebhookRejected:
                status = 400
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
            """Say nothing: the demo tells."""

    return Handler
