"""People who scan, all the time: a bounded load of scans over HTTP through the edge, with every answer kept."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 15
"""Longer than the edge waits for a scan, so that its answer is what we see."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one scan. Times are of the monotonic clock."""

    code: str
    status: int
    """Of HTTP; 0 when the connection broke."""
    body: dict[str, Any]
    asked_at: float
    answered_at: float

    @property
    def recorded(self) -> bool:
        """It is a verdict, so it must be in the books."""
        return self.status == HTTPStatus.OK

    @property
    def clean(self) -> bool:
        """It is a verdict, or says UNAVAILABLE and when to come back."""
        return self.recorded or (
            self.status == HTTPStatus.SERVICE_UNAVAILABLE
            and {"UNAVAILABLE"} == {each["reason"] for each in self._details("ErrorInfo")}
            and any(each["retry_delay"] for each in self._details("RetryInfo"))
        )

    def _details(self, kind: str) -> list[dict[str, Any]]:
        return [
            each for each in self.body.get("details", ()) if each["@type"] == f"type.googleapis.com/google.rpc.{kind}"
        ]


class Load:
    """Scans `codes` over a number of connections, each with a pause between its requests, until the block ends."""

    def __init__(
        self, edge_url: str, codes: Sequence[str], *, connections: int = 20, a_second_each: float = 20
    ) -> None:
        self.connections = connections
        self._address = urlsplit(edge_url).netloc
        self._codes = codes
        self._pause = 1 / a_second_each
        self._stop = threading.Event()
        self._answers: list[Answer] = []
        self._threads = [threading.Thread(target=self._scan_on, args=(number,)) for number in range(connections)]

    def __enter__(self) -> Self:
        """Start."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let every request that is under way have its answer, and stop."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def answers(self) -> list[Answer]:
        """Every answer so far, in the order of their arrival."""
        return self._answers.copy()

    @property
    def verdicts(self) -> list[Answer]:
        """The answers that are verdicts."""
        return [answer for answer in self.answers if answer.recorded]

    @property
    def refusals(self) -> list[Answer]:
        """The answers that are none."""
        return [answer for answer in self.answers if not answer.recorded]

    def _scan_on(self, number: int) -> None:
        choice = Random(number)  # noqa: S311 - which code is scanned next is no secret
        connection = HTTPConnection(self._address, timeout=_TIMEOUT_SECONDS)
        while not self._stop.wait(self._pause):
            self._answers.append(_scan(connection, choice.choice(self._codes)))
        connection.close()


def _scan(connection: HTTPConnection, code: str) -> Answer:
    asked_at = time.monotonic()
    try:
        connection.request("GET", f"/v1/scan/{code}")
        response = connection.getresponse()
        status, body = response.status, json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        connection.close()
        status, body = 0, {"error": repr(error)}
    return Answer(code=code, status=status, body=body, asked_at=asked_at, answered_at=time.monotonic())
