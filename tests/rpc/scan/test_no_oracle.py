"""Nobody learns from an answer's time which check a guess failed.

Times of 2,000 guesses of each kind, taken in turns, are compared by the chance that one of the first kind took longer
than the one of the second in the same turn: one half when the kinds cannot be told apart. Medians and means of a busy
machine would say little; this holds still.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from random import Random

import grpc
import pytest

from services.common.rpc.server import Server
from services.scan.settings import Settings
from tests.rpc.scan.registry import Registry
from tests.rpc.second_door import connected, frame, read_answer, request
from voketag.scan.v1.scan_pb2 import GetReceiptRequest, ScanRequest
from voketag_kernel.codes import UnitCodeKey

SAMPLES = 2_000
LANES = 5
KINDS = ("unknown key", "wrong tag", "wrong seal", "never issued", "void")


@pytest.fixture
def scan_settings(scan_settings: Settings) -> Settings:
    """Without limits: they are what keeps a real guesser from so many samples."""
    return scan_settings.model_copy(update={"scans_per_minute": 0, "failures_per_minute": 0})


@pytest.mark.parametrize(
    ("method", "request_type", "kinds"),
    [("Scan", ScanRequest, KINDS), ("GetReceipt", GetReceiptRequest, ("wrong tag", "never issued", "void"))],
    ids=["scan", "receipt"],  # a report finds its unit as a receipt does
)
async def test_the_time_of_an_answer_does_not_tell_what_was_wrong(
    server: Server,
    registry: Registry,
    method: str,
    request_type: type[ScanRequest | GetReceiptRequest],
    kinds: Sequence[str],
) -> None:
    issued = await registry.issue(SAMPLES)
    cancelled = await registry.issue(SAMPLES, state="CANCELLED")
    ours = registry.key
    codes: dict[str, Callable[[int], str]] = {
        "unknown key": lambda turn: UnitCodeKey(7, b"x" * 32).mint(turn).code,
        "wrong tag": lambda turn: _other(issued.codes[turn], place=12),
        "wrong seal": lambda turn: _other(issued.codes[turn], place=5),
        "never issued": lambda turn: ours.mint((1 << 39) + turn).code,
        "void": lambda turn: cancelled.codes[turn],
    }
    guesses = {
        name: [
            request(
                f"/voketag.scan.v1.ScanService/{method}",
                frame(request_type(code=codes[name](turn)).SerializeToString()),
            )
            for turn in range(SAMPLES)
        ]
        for name in kinds
    }
    times = {name: [0.0] * SAMPLES for name in kinds}
    answers = set()

    async def guess(lane: int) -> None:
        async with connected(server.http_port) as (reader, writer):
            for turn in range(lane, SAMPLES, LANES):
                for name in Random(turn).sample(sorted(kinds), len(kinds)):  # noqa: S311 - no kind always comes first
                    started = time.perf_counter()
                    writer.write(guesses[name][turn])
                    answer = await read_answer(reader)
                    times[name][turn] = time.perf_counter() - started
                    answers.add((answer.grpc_status, answer.body, tuple(sorted(answer.headers.items()))))

    await asyncio.gather(*(guess(lane) for lane in range(LANES)))
    assert all(min(taken) > 0 for taken in times.values())
    assert [status for status, *_ in answers] == [grpc.StatusCode.NOT_FOUND.value[0]], "one answer, to the last header"
    for one, other in combinations(kinds, 2):
        longer = _chance_of_longer(times[one], times[other])
        assert 0.44 < longer < 0.56, f"{one} against {other}: {longer:.3f}"
    slower = [taken + 0.002 for taken in times["void"]]
    assert _chance_of_longer(slower, times["never issued"]) > 0.56, "this test would have noticed two milliseconds"


def _chance_of_longer(ones: Sequence[float], others: Sequence[float]) -> float:
    """Return how often one took longer than the other of its turn, which had the same load around it."""
    return sum(one > other for one, other in zip(ones, others, strict=True)) / len(ones)


def _other(code: str, *, place: int) -> str:
    return code[:place] + ("A" if code[place] != "A" else "B") + code[place + 1 :]
