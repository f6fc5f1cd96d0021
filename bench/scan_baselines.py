"""Scans a second through Envoy, against FastAPI services that do the same work and are called directly.

`python -m bench.scan_baselines [--units N] [--rounds N] [--seconds S]`. Ours is one process behind Envoy, over each
transport; each baseline is one uvicorn process (`baseline_fastapi`) without an edge. Rounds alternate between all of
them, on one PostgreSQL and one Valkey, so that they meet the same machine and the same tables. Every answer of every
side must be in the books.
"""

import argparse
import random
import statistics
import tempfile
from pathlib import Path

from bench import load, report
from bench.scan_edge import TRANSPORTS, measure, write_paths
from bench.scan_room import Edge, open_room

_BASELINES = {name: f"bench.baseline_fastapi.{name}" for name in ("idiomatic", "tuned")}
_AIMS = {"idiomatic": 2.5, "tuned": 1.0}


def main() -> None:
    """Run the rounds, print ratios, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--units", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--connections", type=int, default=192)
    asked = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="voketag-bench-") as name,
        open_room(Path(name), units=asked.units, direct=_BASELINES) as room,
    ):
        codes = random.Random(7).sample(room.codes, len(room.codes))
        paths = write_paths(Path(name) / "scans", [f"/v1/scan/{code}" for code in codes])
        sides: dict[str, Edge] = {each: getattr(room, each) for each in TRANSPORTS} | dict(room.direct)
        rounds = [
            {
                side: measure(room, edge, paths, connections=asked.connections, seconds=asked.seconds)
                for side, edge in sides.items()
            }
            for _ in range(asked.rounds)
        ]
        recorded = int(room.postgres.sql("SELECT count(*) FROM scan.scan_events"))
        counted = int(room.postgres.sql("SELECT sum(total_scans) FROM scan.unit_scans"))
    answered = sum(figures["answers"] for each in rounds for figures in each.values())
    if recorded < answered or recorded != counted:
        raise SystemExit(f"{answered} answers, {recorded} events, {counted} counted: answers are not what is recorded")
    ratios = {
        transport: {
            side: statistics.median(each[transport]["per_second"] / each[side]["per_second"] for each in rounds)
            for side in _BASELINES
        }
        for transport in TRANSPORTS
    }
    report.write(
        "scan_baselines",
        {
            "units": asked.units,
            "connections": asked.connections,
            "ratios": ratios,
            "rounds": rounds,
            "answered": answered,
            "recorded": recorded,
        },
    )
    for transport, of_transport in ratios.items():
        for side, ratio in of_transport.items():
            print(f"{transport} through Envoy: {ratio:.2f} times FastAPI, {side}; the aim is {_AIMS[side]}")
    for side in sides:
        rate = statistics.median(each[side]["per_second"] for each in rounds)
        print(f"{side}: {rate:,.0f}/s, microseconds of CPU a scan: {load.parts(rounds[-1][side])}")


if __name__ == "__main__":
    main()
