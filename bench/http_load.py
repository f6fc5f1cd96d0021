"""A lean load generator: HTTP/1.1 with keep-alive on raw asyncio, so that it takes little of what it measures.

`python -m bench.http_load PORT PATHS --connections N --seconds S [--rate R]` sends the GET requests of the file
PATHS, one path a line, round and round, and prints one JSON object. Each request comes from another of 50,000 people,
as a load balancer in front would say. Without a rate each connection sends as soon as it has its answer. With one,
requests are due at even intervals and their time counts from when they were due, so that a server that stalls cannot
hide it.
"""

import argparse
import asyncio
import itertools
import json
import operator
import resource
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop

_HEADERS = (
    " HTTP/1.1\r\nhost: localhost\r\naccept-language: pt-BR,pt;q=0.9,en;q=0.8\r\naccept-encoding: gzip, deflate, br\r\n"
    "user-agent: Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36\r\n"
    "x-forwarded-for: "
)
_PEOPLE = [f"10.{n >> 8 & 255}.{n & 255}.{n % 251}\r\n\r\n".encode() for n in range(50_000)]


class Load:
    """What is to be sent, and what became of it."""

    def __init__(self, paths: list[str], *, paced: bool) -> None:
        heads = itertools.cycle([f"GET {path}{_HEADERS}".encode() for path in paths])
        self.requests: Iterator[bytes] = map(operator.add, heads, itertools.cycle(_PEOPLE))
        self.paced = paced
        self.running = True
        self.measuring = False
        self.seconds: list[float] = []
        self.answers = 0
        self.failures: dict[str, int] = {}
        self.due: deque[float] = deque()
        self.idle: deque[Connection] = deque()

    def done(self, connection: "Connection", status: bytes, took: float) -> None:
        """Note an answer and give the connection its next request."""
        self.answers += 1
        if self.measuring:
            self.seconds.append(took)
            if status != b"200":
                self.failures[status.decode()] = self.failures.get(status.decode(), 0) + 1
        if not self.running:
            return
        if not self.paced:
            connection.send(next(self.requests), time.perf_counter())
        elif self.due:
            connection.send(next(self.requests), self.due.popleft())
        else:
            self.idle.append(connection)


class Connection(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._since = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def connection_lost(self, _error: Exception | None) -> None:
        if self._load.running:
            raise SystemExit("the server closed a connection")

    def send(self, request: bytes, since: float) -> None:
        """Send a request whose time counts from `since`."""
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._received.find(b"content-length: ", 0, head)
        length = int(self._received[at + 16 : self._received.find(b"\r\n", at)])
        if len(self._received) < head + 4 + length:
            return
        status, self._received = self._received[9:12], b""
        self._load.done(self, status, time.perf_counter() - self._since)


async def _run(port: int, load: Load, *, connections: int, seconds: float, warm_up: float, rate: float) -> float:
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: Connection(load), "127.0.0.1", port))[1] for _ in range(connections)]
    if load.paced:
        load.idle.extend(made)
        pacing = asyncio.create_task(_pace(load, rate))
    else:
        for connection in made:
            connection.send(next(load.requests), time.perf_counter())
    await asyncio.sleep(warm_up)
    load.measuring, started = True, time.perf_counter()
    await asyncio.sleep(seconds)
    load.measuring, took = False, time.perf_counter() - started
    load.running = False
    if load.paced:
        pacing.cancel()
    return took


async def _pace(load: Load, rate: float) -> None:
    next_due = time.perf_counter()
    while True:
        now = time.perf_counter()
        while next_due <= now:
            if load.idle:
                load.idle.popleft().send(next(load.requests), next_due)
            else:
                load.due.append(next_due)
            next_due += 1 / rate
        await asyncio.sleep(next_due - now)


def main() -> None:
    """Run once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("paths", type=Path)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warm-up", type=float, default=1)
    parser.add_argument("--rate", type=float, default=0)
    asked = parser.parse_args()
    load = Load(asked.paths.read_text().split(), paced=asked.rate > 0)
    took = uvloop.run(
        _run(
            asked.port,
            load,
            connections=asked.connections,
            seconds=asked.seconds,
            warm_up=asked.warm_up,
            rate=asked.rate,
        )
    )
    times = sorted(load.seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": took,
                "answers": len(times),
                "all_answers": load.answers,
                "per_second": len(times) / took,
                "failures": load.failures,
                "p50_ms": times[len(times) // 2] * 1000,
                "p99_ms": times[len(times) * 99 // 100] * 1000,
                "max_ms": times[-1] * 1000,
                "generator_cpu_seconds": used.ru_utime + used.ru_stime,
            }
        )
    )


if __name__ == "__main__":
    main()
