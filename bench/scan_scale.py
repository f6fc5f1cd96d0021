"""The cost of a scan among many units and scans, against that among few.

`python -m bench.scan_scale [--many N] [--few N] [--rounds N] [--seconds S]`. Two rooms stand side by side, each with a
PostgreSQL, a Valkey and an edge of its own: one with `few` units and as many recorded scans, one with `many`. Rounds
alternate between them; units are scanned in random order. The cost is the CPU of all parts, so that a machine that is
busy with something else says little in the ratio.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import load, report
from bench.load import Figures
from bench.scan_edge import measure, write_paths
from bench.scan_room import Room, open_room
from deploy.local import keys
from services.common import unit_keys

_SCANNED_UNITS = 200_000  # more than a run scans: nothing is found in the cache of facts
_CHUNK = 1_000_000
_BASE = f"({keys.SIGNING_KEY_ID}::bigint << 40)"
_UNITS = f"""
INSERT INTO factory.units (unit_id, batch_id, serial)
SELECT {_BASE} + n, (SELECT batch_id FROM factory.batches), 'S' || lpad(n::text, 8, '0')
FROM generate_series({{first}}, {{last}}) AS n
"""  # noqa: S608 - numbers of our own
# Ids in the order of time, as UUIDs of version 7 are.
_EVENTS = f"""
INSERT INTO scan.scan_events (verification_id, unit_id, batch_id, scanned_at, verdict, risk_score, risk_factors,
                              country, device_hash, address_hash, degraded, tenant_id, product_id, cell,
                              duplicate)
SELECT (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, {_BASE} + n, batch_id,
       now() - interval '1 day' + interval '5 milliseconds' * n, 1, 35, '{{{{rapid_scans}}}}', 'BR',
       decode(md5(n::text), 'hex'), decode(md5((n + 1)::text), 'hex'), false, tenant_id, product_id, '-24-047', false
FROM generate_series({{first}}, {{last}}) AS n, factory.batches
"""  # noqa: S608
_COUNTERS = f"""
INSERT INTO scan.unit_scans (unit_id, first_scan_at, last_scan_at, total_scans)
SELECT {_BASE} + n, now() - interval '1 day', now() - interval '1 day', 1 FROM generate_series({{first}}, {{last}}) AS n
"""  # noqa: S608


@dataclass(frozen=True)
class _Side:
    room: Room
    paths: Path


def main() -> None:
    """Fill both rooms, run the rounds, print ratios, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--many", type=int, default=10_000_000)
    options.add_argument("--few", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--connections", type=int, default=64)
    asked = options.parse_args()
    with ExitStack() as stack:
        sides = {name: stack.enter_context(_side(getattr(asked, name))) for name in ("few", "many")}
        rounds = [
            {
                name: measure(
                    side.room,
                    side.room.scan_http,
                    side.paths,
                    connections=asked.connections,
                    seconds=asked.seconds,
                )
                for name, side in sides.items()
            }
            for _ in range(asked.rounds)
        ]
    cost = _ratio(rounds, load.cpu)
    of_postgres = _ratio(rounds, lambda figures: figures["cpu_micros_per_answer"]["postgres"])
    rate = _ratio(rounds, lambda figures: figures["per_second"])
    report.write(
        "scan_scale",
        {
            "few": asked.few,
            "many": asked.many,
            "cost_ratio": cost,
            "postgres_cost_ratio": of_postgres,
            "rate_ratio": rate,
            "rounds": rounds,
        },
    )
    print(f"a scan among {asked.many:,} units and scans costs {cost:.2f} times one among {asked.few:,}; the aim is 1.2")
    print(f"PostgreSQL's part {of_postgres:.2f} times; the rate is {rate:.2f} times")
    for name in sides:
        print(f"{name}: microseconds of CPU a scan: {load.parts(rounds[-1][name])}")


@contextmanager
def _side(units: int) -> Iterator[_Side]:
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as name, open_room(Path(name), units=1) as room:
        started = time.monotonic()
        _fill(room, units)
        print(f"{units:,} units and as many scans were written in {time.monotonic() - started:.0f} s", flush=True)
        key = unit_keys.load(Path(name) / "secrets" / "unit-keys")[keys.SIGNING_KEY_ID]
        chosen = random.Random(7).sample(range(1, units + 1), min(units, _SCANNED_UNITS))
        paths = [f"/v1/scan/{key.mint(number).code}" for number in chosen]
        yield _Side(room=room, paths=write_paths(Path(name) / "scans", paths))


def _fill(room: Room, units: int) -> None:
    sql = room.postgres.sql
    sql(f"SELECT factory.ensure_unit_partition({_BASE} + {units})")
    sql("SELECT scan.ensure_event_partition((now() - interval '1 day')::date)")
    for first in range(1, units + 1, _CHUNK):
        for statement in (_UNITS, _EVENTS, _COUNTERS):
            sql(statement.format(first=first, last=min(first + _CHUNK - 1, units)))
    # As after a quiet night: nothing left to clean up, nothing left to write out.
    sql("VACUUM (ANALYZE)")
    sql("CHECKPOINT")


def _ratio(rounds: list[dict[str, Figures]], value: Callable[[Figures], float]) -> float:
    return statistics.median(value(each["many"]) / value(each["few"]) for each in rounds)


if __name__ == "__main__":
    main()
