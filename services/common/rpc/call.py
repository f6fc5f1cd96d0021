"""One call as a servicer sees it, whatever transport brought it."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from services.common.caller import ANONYMOUS, Caller


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


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)
"""The call in hand, for logs and for calls to other services; use cases get what they need as arguments."""
