"""Scans a second through Envoy, each recorded before it is answered, against a trivial RPC through the same Envoy.

`python -m bench.scan_edge [--units N] [--rounds N] [--seconds S]`. Both sides run the same Envoy configuration, the
same server builder and the same interceptors, one process each; rounds alternate between them, so that both meet the
same machine. Units are scanned in random order. Then scans come in at half of the measured rate, for the times of
answers.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import report
from bench.scan_room import Edge, Room, open_room


def main() -> None:
    """Run the rounds, print ratios, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--units", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--connections", type=int, default=64)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as name, open_room(Path(name), units=asked.units) as room:
        codes = random.Random(7).sample(room.codes, len(room.codes))
        scans = _paths(Path(name) / "scans", [f"/v1/scan/{code}" for code in codes])
        echoes = _paths(Path(name) / "echoes", ["/v1/health"])
        rounds = []
        for _ in range(asked.rounds):
            echo = _measure(room, room.echo, echoes, asked.connections, asked.seconds)
            scan = _measure(room, room.scan, scans, asked.connections, asked.seconds)
            rounds.append({"echo": echo, "scan": scan})
        rate = statistics.median(figures["scan"]["per_second"] for figures in rounds)
        halves = [
            _measure(room, room.scan, scans, asked.connections, asked.seconds, rate=rate / 2)
            for _ in range(asked.rounds)
        ]
        recorded = int(room.postgres.sql("SELECT count(*) FROM scan.scan_events"))
        counted = int(room.postgres.sql("SELECT sum(total_scans) FROM scan.unit_scans"))
    ratio = statistics.median(each["scan"]["per_second"] / each["echo"]["per_second"] for each in rounds)
    cpu = statistics.median(_cpu(each["echo"]) / _cpu(each["scan"]) for each in rounds)
    half = sorted(halves, key=lambda figures: float(figures["p99_ms"]))[len(halves) // 2]
    answered = sum(figures["answers"] for figures in [*(each["scan"] for each in rounds), *halves])
    if recorded < answered or recorded != counted:
        raise SystemExit(f"{answered} answers, {recorded} events, {counted} counted: answers are not what is recorded")
    report.write(
        "scan_edge",
        {
            "units": asked.units,
            "connections": asked.connections,
            "rounds": rounds,
            "half_load": halves,
            "ratio": ratio,
            "ratio_of_cpu": cpu,
            "p99_over_p50_at_half_load": half["p99_ms"] / half["p50_ms"],
            "answered": answered,
            "recorded": recorded,
        },
    )
    print(f"scans reach {ratio:.2f} times the rate of a trivial RPC (median of {asked.rounds} pairs)")
    print(f"a trivial RPC takes {cpu:.2f} times the CPU of a scan, all parts but the generator together")
    print(f"at half of that load: p50 {half['p50_ms']:.1f} ms, p99 {half['p99_ms']:.1f} ms (median round)")
    parts = ", ".join(f"{part} {micros:.0f}" for part, micros in rounds[-1]["scan"]["cpu_micros_per_answer"].items())
    print(f"CPU of one scan in microseconds: {parts}")


def _measure(
    room: Room, edge: Edge, paths: Path, connections: int, seconds: float, *, rate: float = 0
) -> dict[str, Any]:
    before = room.cpu_seconds(edge)
    command = ["bench.http_load", str(edge.port), str(paths), "--connections", str(connections)]
    command += ["--seconds", str(seconds), "--rate", str(rate)]
    done = subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    if figures["failures"]:
        raise SystemExit(f"some answers were not 200: {figures['failures']}; nothing was measured")
    after = room.cpu_seconds(edge)
    # The warm-up second is in the CPU figures, so it is in the number of answers as well, at the measured rate.
    sent = figures["per_second"] * (figures["seconds"] + 1)
    used = {part: after[part] - before[part] for part in after} | {"generator": figures["generator_cpu_seconds"]}
    figures["cpu_micros_per_answer"] = {part: taken / sent * 1e6 for part, taken in used.items()}
    return figures


def _cpu(figures: dict[str, Any]) -> float:
    parts: dict[str, float] = figures["cpu_micros_per_answer"]
    return sum(micros for part, micros in parts.items() if part != "generator")


def _paths(file: Path, paths: Sequence[str]) -> Path:
    file.write_text("\n".join(paths))
    return file


if __name__ == "__main__":
    main()
