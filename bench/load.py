"""One round of load on an HTTP address, in a process of its own, and the CPU that each part took for it."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
"""What `http_load` prints, and `cpu_micros_per_answer` by part."""

_WARM_UP_SECONDS = 1.0


def run(
    port: int,
    paths: Path,
    *,
    cpu_seconds: Callable[[], Mapping[str, float]],
    connections: int,
    seconds: float,
    rate: float = 0,
) -> Figures:
    """Send the requests of the file `paths`; SystemExit when an answer is not 200.

    `rate` is requests a second that are due whatever becomes of them; 0 sends as fast as answers come.
    `cpu_seconds` tells what each part has used so far.
    """
    command = ["bench.http_load", str(port), str(paths), "--connections", str(connections)]
    command += ["--seconds", str(seconds), "--rate", str(rate), "--warm-up", str(_WARM_UP_SECONDS)]
    before = cpu_seconds()
    done = subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.PIPE, text=True)
    after = cpu_seconds()
    figures: Figures = json.loads(done.stdout)
    if figures["failures"]:
        raise SystemExit(f"some answers were not 200: {figures['failures']}; nothing was measured")
    used = {part: after[part] - before[part] for part in after} | {"generator": figures["generator_cpu_seconds"]}
    figures["cpu_micros_per_answer"] = {part: taken / figures["all_answers"] * 1e6 for part, taken in used.items()}
    return figures


def cpu(figures: Figures) -> float:
    """Return the microseconds of CPU that an answer took in all parts but the generator."""
    parts: dict[str, float] = figures["cpu_micros_per_answer"]
    return sum(micros for part, micros in parts.items() if part != "generator")


def parts(figures: Figures) -> str:
    """Return the CPU of an answer by part, for people."""
    return ", ".join(f"{part} {micros:.0f}" for part, micros in figures["cpu_micros_per_answer"].items())
