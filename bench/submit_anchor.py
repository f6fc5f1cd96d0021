"""Submissions of roots a second, each durable before it is answered, against a trivial RPC of the same server builder.

`python -m bench.submit_anchor [--rounds N] [--seconds S] [--callers N]`. Both servers are one process and are called
directly over gRPC, as services call each other, by the same clients in turn; every submission is a batch of its own.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import grpc

from bench import report
from bench.anchor_room import Room, open_room
from voketag.anchor.v1 import anchor_pb2, anchor_pb2_grpc
from voketag.scan.v1 import scan_pb2, scan_pb2_grpc

AIM = 0.5
_CHANNELS = 4
_WARM_UP_SECONDS = 1.5
_MOST_REQUESTS = 200_000

Call = Callable[[], Awaitable[object]]


def main() -> None:
    """Run the rounds, print the ratio, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--callers", type=int, default=64)
    asked = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="voketag-bench-") as name,
        open_room(Path(name), block_seconds=None) as room,
        room.server("echo", "bench.echo") as echo,
        room.server("anchor", "services.anchor") as anchor,
    ):
        rounds = asyncio.run(_measure(room, echo, anchor, asked))
        stored = int(room.postgres.sql("SELECT count(*) FROM anchor.anchors"))
    answered = sum(each["submissions"] for each in rounds)
    if stored < answered:
        raise SystemExit(f"{answered} submissions were answered, and {stored} are stored")
    ratios = [each["submissions_per_second"] / each["echoes_per_second"] for each in rounds]
    report.write(
        "submit_anchor",
        {"callers": asked.callers, "seconds": asked.seconds, "rounds": rounds, "ratio": statistics.median(ratios)},
    )
    print(
        f"submissions came at {statistics.median(ratios):.2f} of the rate of a trivial RPC "
        f"({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds; aim: at least {AIM})"
    )


async def _measure(room: Room, echo: str, anchor: str, asked: argparse.Namespace) -> list[dict[str, float]]:
    token = (("authorization", f"Bearer {room.credential()}"),)
    channels = {
        address: [grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(_CHANNELS)]
        for address in (echo, anchor)
    }
    echoes = itertools.cycle([scan_pb2_grpc.ScanServiceStub(channel) for channel in channels[echo]])
    submits = itertools.cycle([anchor_pb2_grpc.AnchorServiceStub(channel) for channel in channels[anchor]])

    def call_echo() -> Awaitable[object]:
        return next(echoes).Health(scan_pb2.HealthRequest(), timeout=30)

    requests = _requests()

    def submit() -> Awaitable[object]:
        return next(submits).SubmitAnchor(next(requests), metadata=token, timeout=30)

    rounds = []
    try:
        for _ in range(asked.rounds):
            _, echo_rate = await _load(call_echo, asked.callers, asked.seconds)
            submissions, rate = await _load(submit, asked.callers, asked.seconds)
            rounds.append({"echoes_per_second": echo_rate, "submissions_per_second": rate, "submissions": submissions})
    finally:
        for channel in itertools.chain.from_iterable(channels.values()):
            await channel.close()
    return rounds


def _requests() -> Iterator[anchor_pb2.SubmitAnchorRequest]:
    """Return submissions, made before they are needed: making them is not the server's work."""
    batches = [uuid4() for _ in range(_MOST_REQUESTS)]
    made = [
        anchor_pb2.SubmitAnchorRequest(
            batch_id=str(batch), merkle_root=batch.hex * 2, tree_size=1000, tenant_id=str(batch)
        )
        for batch in batches
    ]
    return iter(made)


async def _load(call: Call, callers: int, seconds: float) -> tuple[int, float]:
    """Call from so many callers at a time; return the answers that were measured, and their rate."""
    measuring, running, done = False, True, 0

    async def caller() -> None:
        nonlocal done
        while running:
            await call()
            done += measuring

    tasks = [asyncio.create_task(caller()) for _ in range(callers)]
    await asyncio.sleep(_WARM_UP_SECONDS)
    measuring, started = True, time.perf_counter()
    await asyncio.sleep(seconds)
    measuring, took = False, time.perf_counter() - started
    running = False
    await asyncio.gather(*tasks)
    return done, done / took


if __name__ == "__main__":
    main()
