"""Scans a second through Envoy, each recorded before it is answered, against a trivial RPC through the same Envoy.

`python -m bench.scan_edge [--units N] [--rounds N] [--seconds S]`. The trivial RPC goes over grpc.aio; scans go over
each transport. All run the same Envoy configuration, server builder and interceptors, one process each, with limits,
counters, risk, durable events and metrics on; rounds go through the three in turn, so that they meet the same machine.
Units are scanned in random order by 50,000 people. Then scans come in at half of the measured rate, due at even
intervals, for the times of answers; and once more under a profiler, for the parts of the server's CPU.
"""

import argparse
import random
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import load, profile, report
from bench.load import Figures
from bench.scan_room import Edge, Room, open_room

TRANSPORTS = ("scan_grpc", "scan_http")


def main() -> None:
    """Run the rounds, print ratios, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--units", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--connections", type=int, default=192)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as name, open_room(Path(name), units=asked.units) as room:
        codes = random.Random(7).sample(room.codes, len(room.codes))
        scans = write_paths(Path(name) / "scans", [f"/v1/scan/{code}" for code in codes])
        echoes = write_paths(Path(name) / "echoes", ["/v1/health"])
        run = partial(measure, room, connections=asked.connections, seconds=asked.seconds)
        rounds = [
            {"echo": run(room.echo, echoes)} | {each: run(getattr(room, each), scans) for each in TRANSPORTS}
            for _ in range(asked.rounds)
        ]
        rates = {each: statistics.median(figures[each]["per_second"] for figures in rounds) for each in TRANSPORTS}
        half_loads = [
            {each: run(getattr(room, each), scans, rate=rates[each] / 2) for each in TRANSPORTS}
            for _ in range(asked.rounds)
        ]
        profiles = {}
        for each in TRANSPORTS:
            edge: Edge = getattr(room, each)
            with profile.sampling(edge.pids["server"], room.profile_file) as shares:
                run(edge, scans)
            profiles[each] = shares
        recorded = int(room.postgres.sql("SELECT count(*) FROM scan.scan_events"))
        counted = int(room.postgres.sql("SELECT sum(total_scans) FROM scan.unit_scans"))
    answered = sum(figures[each]["answers"] for figures in [*rounds, *half_loads] for each in TRANSPORTS)
    if recorded < answered or recorded != counted:
        raise SystemExit(f"{answered} answers, {recorded} events, {counted} counted: answers are not what is recorded")
    summaries = {each: _summary(rounds, half_loads, profiles[each], each) for each in TRANSPORTS}
    report.write(
        "scan_edge",
        {
            "units": asked.units,
            "connections": asked.connections,
            **summaries,
            "rounds": rounds,
            "half_loads": half_loads,
            "answered": answered,
            "recorded": recorded,
        },
    )
    print(f"a trivial RPC: {load.parts(rounds[-1]['echo'])} microseconds of CPU")
    for each, name in zip(TRANSPORTS, ("grpc.aio", "the second transport"), strict=True):
        _print(name, summaries[each], len(rounds))


def _summary(
    rounds: Sequence[dict[str, Figures]], half_loads: Sequence[dict[str, Figures]], shares: dict[str, float], each: str
) -> Figures:
    half = sorted((figures[each] for figures in half_loads), key=lambda figures: float(figures["p99_ms"]))
    parts = [figures[each]["cpu_micros_per_answer"] for figures in rounds]
    micros = {part: statistics.median(of_round[part] for of_round in parts) for part in parts[0]}
    return {
        "ratio": statistics.median(figures[each]["per_second"] / figures["echo"]["per_second"] for figures in rounds),
        "ratio_of_cpu": statistics.median(load.cpu(figures["echo"]) / load.cpu(figures[each]) for figures in rounds),
        "per_second": statistics.median(figures[each]["per_second"] for figures in rounds),
        "half_load": half[len(half) // 2],
        "p99_over_p50_at_half_load": half[len(half) // 2]["p99_ms"] / half[len(half) // 2]["p50_ms"],
        "cpu_micros_by_part": micros,
        "server_cpu_micros_by_part": {part: share * micros["server"] for part, share in shares.items()},
    }


def _print(name: str, summary: Figures, rounds: int) -> None:
    half = summary["half_load"]
    print(
        f"\nscans over {name} reach {summary['ratio']:.2f} times the rate of a trivial RPC (median of {rounds} rounds)"
    )
    print(f"  a trivial RPC takes {summary['ratio_of_cpu']:.2f} times the CPU of a scan, the generator's apart")
    times = summary["p99_over_p50_at_half_load"]
    print(
        f"  at half of that rate: p50 {half['p50_ms']:.1f} ms, p99 {half['p99_ms']:.1f} ms, {times:.1f} times as much"
    )
    for what, key in (("of one scan", "cpu_micros_by_part"), ("of the server's", "server_cpu_micros_by_part")):
        by_part = ", ".join(f"{part} {micros:.0f}" for part, micros in summary[key].items())
        print(f"  microseconds of CPU {what}: {by_part}")


def measure(room: Room, edge: Edge, paths: Path, *, connections: int, seconds: float, rate: float = 0) -> Figures:
    """Send the requests of a file for so long, and return what `http_load` printed and the CPU of each part."""
    used = partial(room.cpu_seconds, edge)
    return load.run(edge.port, paths, cpu_seconds=used, connections=connections, seconds=seconds, rate=rate)


def write_paths(file: Path, paths: Sequence[str]) -> Path:
    """Write paths as `http_load` reads them."""
    file.write_text("\n".join(paths))
    return file


if __name__ == "__main__":
    main()
