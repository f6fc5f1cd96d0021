"""One call as a servicer sees it, whatever transport brought it."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import uuid4

from services.common.caller import ANONYMOUS, Caller

CLIENT_ADDRESS_HEADER = "x-client-address"
"""Set by Envoy on every request, over whatever a client sent: the address behind the trusted hops."""
MADE_OF_REST = "x-envoy-original-path"
"""Set by Envoy's transcoder on what came as REST; the edge drops it from whatever else."""
MAX_MESSAGE_BYTES = 11 * 1024 * 1024
"""Largest message, either way, of every transport."""
# More than the edge lets through (32 KiB, and the path twice): grpc refuses more with words of its own, and at random
# between the soft limit and the hard one.
MAX_METADATA_BYTES = 128 * 1024
"""Most metadata that a call may bring, on every transport."""
_LONGEST_REQUEST_ID = 128


@dataclass(slots=True)
class Call:
    """A call in progress.

    `metadata` has lower-case keys and the last value of each; `deadline` is in seconds of `time.monotonic()`, None
    for none; `client_address` is the consumer's or partner's address as the edge saw it, never a header that a client
    can set. What is put into `answer_metadata` (lower-case keys) leaves with the answer or the error, as HTTP headers
    and as gRPC trailers.
    """

    method: str
    metadata: Mapping[str, str]
    client_address: str
    request_id: str
    deadline: float | None = None
    caller: Caller = ANONYMOUS
    answer_metadata: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def seconds_left(self) -> float | None:
        """Seconds until the deadline, None when there is none."""
        return None if self.deadline is None else self.deadline - time.monotonic()


def call_of(method: str, metadata: Mapping[str, str], *, peer: str, seconds_left: float | None) -> Call:
    """Return the call that a transport brings; `peer` is the other end's address, the client's where no edge is.

    The request id is the caller's, or a new one for what is no id: it goes into logs and onward.
    """
    asked = metadata.get("x-request-id", "")
    usable = 0 < len(asked) <= _LONGEST_REQUEST_ID and asked.isascii() and asked.isprintable()
    return Call(
        method=method,
        metadata=metadata,
        client_address=metadata.get(CLIENT_ADDRESS_HEADER) or peer,
        request_id=asked if usable else str(uuid4()),
        deadline=None if seconds_left is None else time.monotonic() + seconds_left,
    )


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)
"""The call in hand, for logs and for calls to other services; use cases get what they need as arguments."""
