"""What an auditor waits for: the work of one offline check by `voketag-verify`, imports measured apart.

`python -m bench.verify [--runs N]`. Every run is a fresh process, as the command is: it takes the time of its imports,
then of its own work, which is to read the file, check every link, and print. The receipt is of a batch of 1,000,000
units, anchored together with 10,000 batches. The aim is in milliseconds, not a ratio as elsewhere: a person waits.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import report
from tests.interop.receipt_parts import grow_from_path

AIM_MILLISECONDS = 50
_COMMAND = """
import sys, time
started = time.perf_counter()
from voketag_sdk.verify import main
imported = time.perf_counter()
code = main([sys.argv[1]])
checked = time.perf_counter()
sys.stderr.write(f"{imported - started} {checked - imported}")
sys.exit(code)
"""


def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=40)
    runs = options.parse_args().runs
    taken: dict[str, list[float]] = {"interpreter": [], "imports": [], "check": [], "command": []}
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as folder:
        file = Path(folder) / "receipt.json"
        grown = grow_from_path(units=1_000_000, unit=654_321, batches=10_000, batch=1_234)
        file.write_text(json.dumps(grown.document, indent=2), encoding="utf-8")
        for _ in range(runs):
            taken["interpreter"].append(_seconds([sys.executable, "-c", "pass"]))
            taken["command"].append(_seconds([sys.executable, "-m", "voketag_sdk.verify", str(file)]))
            imports, check = _apart(file)
            taken["imports"].append(imports)
            taken["check"].append(check)
    figures = {
        name: {"median": statistics.median(seconds) * 1000, "max": max(seconds) * 1000}
        for name, seconds in taken.items()
    }
    report.write("verify", {"runs": runs, "receipt_bytes": len(json.dumps(grown.document)), "milliseconds": figures})
    print(
        f"an offline check took {figures['check']['median']:.1f} ms (median of {runs} fresh processes, the slowest "
        f"{figures['check']['max']:.1f}); aim: under {AIM_MILLISECONDS}"
    )
    print(
        f"apart from it: imports {figures['imports']['median']:.1f} ms, the bare interpreter "
        f"{figures['interpreter']['median']:.1f} ms; the whole command {figures['command']['median']:.1f} ms"
    )


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _apart(file: Path) -> tuple[float, float]:
    """Return the seconds of the imports and of the check, as the process itself takes them."""
    command = [sys.executable, "-c", _COMMAND, str(file)]
    done = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    imports, check = map(float, done.stderr.split())
    return imports, check


if __name__ == "__main__":
    main()
