"""`python -m bench`: run every benchmark, one after the other, each in a process of its own."""

import subprocess
import sys

BENCHMARKS = (
    "qr_size",
    "issue_batch",
    "csv_files",
    "factory_calls",
    "receipts",
    "factory_overhead",
    "verify",
    "anchoring",
    "submit_anchor",
    "scan_edge",
    "scan_baselines",
    "scan_scale",
    "ledger",
)


def main() -> None:
    """Run what was asked for, or all."""
    asked = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(asked) - set(BENCHMARKS):
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in asked:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)


if __name__ == "__main__":
    main()
