"""Nobody learns from an answer's time which check a guess failed.

Times of 2,000 guesses of each kind, taken in turns, are compared by the chance that one of the first kind took longer
than one of the second: one half when the kinds cannot be told apart. Medians and means of a busy machine would say
little; this holds still.
"""

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import combinations
from random import Random

import grpc
import pytest

from services.scan.settings import Settings
from tests.rpc.scan.registry import Registry
from voketag.scan.v1 import scan_pb2, scan_pb2_grpc
from voketag_kernel.codes import UnitCodeKey

SAMPLES = 2_000
LANES = 5


@pytest.fixture
def scan_settings(scan_settings: Settings) -> Settings:
    """Without limits: they are what keeps a real guesser from so many samples."""
    return scan_settings.model_copy(update={"scans_per_minute": 0, "failures_per_minute": 0})


async def test_the_time_of_an_answer_does_not_tell_what_was_wrong(scan_server: str, registry: Registry) -> None:
    issued = await registry.issue(SAMPLES)
    cancelled = await registry.issue(SAMPLES, state="CANCELLED")
    ours = registry.key
    kinds: dict[str, Callable[[int], str]] = {
        "unknown key": lambda turn: UnitCodeKey(7, b"x" * 32).mint(turn).code,
        "wrong tag": lambda turn: _other(issued.codes[turn], place=12),
        "wrong seal": lambda turn: _other(issued.codes[turn], place=5),
        "never issued": lambda turn: ours.mint((1 << 39) + turn).code,
        "void": lambda turn: cancelled.codes[turn],
    }
    guesses = {name: [code(turn) for turn in range(SAMPLES)] for name, code in kinds.items()}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    bodies = set()
    async with grpc.aio.insecure_channel(scan_server) as channel:
        stub = scan_pb2_grpc.ScanServiceStub(channel)

        async def guess(lane: int) -> None:
            for turn in range(lane, SAMPLES, LANES):
                for name in Random(turn).sample(sorted(kinds), len(kinds)):  # noqa: S311 - no kind always comes first
                    started = time.perf_counter()
                    try:
                        await stub.Scan(scan_pb2.ScanRequest(code=guesses[name][turn]))
                    except grpc.aio.AioRpcError as error:
                        times[name].append(time.perf_counter() - started)
                        bodies.add((error.code(), error.details(), tuple(sorted(error.trailing_metadata() or ()))))

        await asyncio.gather(*(guess(lane) for lane in range(LANES)))
    assert {name: len(taken) for name, taken in times.items()} == dict.fromkeys(kinds, SAMPLES)
    assert len(bodies) == 1
    for one, other in combinations(kinds, 2):
        longer = _chance_of_longer(times[one], times[other])
        assert 0.44 < longer < 0.56, f"{one} against {other}: {longer:.3f}"
    slower = [taken + 0.002 for taken in times["void"]]
    assert _chance_of_longer(slower, times["never issued"]) > 0.56, "this test would have noticed two milliseconds"


def _chance_of_longer(ones: Sequence[float], others: Sequence[float]) -> float:
    ranked = sorted(others)
    below = sum(bisect_left(ranked, one) + bisect_right(ranked, one) for one in ones)
    return below / (2 * len(ones) * len(ranked))


def _other(code: str, *, place: int) -> str:
    return code[:place] + ("A" if code[place] != "A" else "B") + code[place + 1 :]
