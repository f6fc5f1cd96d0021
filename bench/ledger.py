"""The ledger's sequencer and verifier: entries a second, against writing the same events by a plain COPY.

`python -m bench.ledger [--events N]`. Events are made by SQL, as a long day would leave them; the sequencer takes them
round by round, as it does behind a backlog, and the verifier walks all of it.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import report
from deploy.local.postgres import Postgres
from services.common.clock import SystemClock
from services.scan.ledger_key import LedgerKey
from services.scan.operations.sequencing import Sequencer
from services.scan.operations.verification import LedgerVerifier
from services.scan.storage.connection import HeldConnection

_COMMIT = 100
_COLUMNS = (
    "verification_id, unit_id, batch_id, scanned_at, verdict, risk_score, risk_factors, country, device_hash, "
    "address_hash, degraded, tenant_id, product_id, cell, duplicate"
)
_EVENTS = f"""
INSERT INTO scan.scan_events ({_COLUMNS})
SELECT gen_random_uuid(), n, 'a0000000-0000-7000-8000-000000000001', now() - interval '1 second' * n / 1000, 1, 35,
       '{{rapid_scans}}', 'BR', decode(md5(n::text), 'hex'), decode(md5((n + 1)::text), 'hex'), false,
       'a0000000-0000-7000-8000-000000000002', 'a0000000-0000-7000-8000-000000000003', '-24-047', true
FROM generate_series($1::int, $2::int) AS n
"""  # noqa: S608 - a constant


async def main() -> None:
    """Fill, sequence, verify, print, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=300_000)
    events = options.parse_args().events
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as folder, Postgres(Path(folder)) as postgres:
        environment = {**os.environ, "VOKETAG_DATABASE_URL": postgres.url()}
        subprocess.run(  # noqa: ASYNC221 - nothing else runs yet
            [sys.executable, "-m", "services.migrations", "upgrade"], env=environment, check=True
        )
        figures = await _measure(postgres.url(), postgres.url("voketag_scan"), events)
        postgres.remove()
    report.write("ledger", {"events": events, **figures})
    print(f"the sequencer took {figures['sequenced_per_second']:,.0f} events a second,")
    print(f"the verifier {figures['verified_per_second']:,.0f} entries a second;")
    print(f"a plain COPY of the same events wrote {figures['copied_per_second']:,.0f} a second")
    print(
        f"sequencer {figures['sequencer_over_copy']:.2f}, verifier {figures['verifier_over_copy']:.2f} times the COPY"
    )


async def _measure(owner_url: str, scan_url: str, events: int) -> dict[str, float]:
    owner = await asyncpg.connect(owner_url)  # type: ignore[no-untyped-call]
    for month in range(-1, 2):
        await owner.execute(f"SELECT scan.ensure_event_partition((now() + interval '{month} month')::date)")
    for first in range(0, events, _COMMIT):  # as scans are: many commits
        await owner.execute(_EVENTS, first + 1, min(first + _COMMIT, events))
    await owner.execute("ANALYZE")
    copied = await _copy(owner)
    key = LedgerKey(Ed25519PrivateKey.generate(), origin="bench/ledger")
    sequencer = Sequencer(database_url=scan_url, key=key, clock=SystemClock())
    leader = await asyncpg.connect(scan_url)  # type: ignore[no-untyped-call]
    started = time.perf_counter()
    taken = 0
    while new := await sequencer.add_new(leader):
        taken += new
    sequenced = time.perf_counter() - started
    assert taken == events
    await leader.close()
    await owner.execute("ANALYZE")
    await owner.close()
    async with (
        HeldConnection(dsn=scan_url, name="bench", timeout_seconds=60) as one,
        HeldConnection(dsn=scan_url, name="bench", timeout_seconds=60) as two,
    ):
        started = time.perf_counter()
        done = await LedgerVerifier(connection=one, ahead=two, key=key.verifier).verify()
        verified = time.perf_counter() - started
    assert done.entries == events
    return {
        "copied_per_second": events / copied,
        "sequenced_per_second": events / sequenced,
        "verified_per_second": events / verified,
        "sequencer_over_copy": copied / sequenced,
        "verifier_over_copy": copied / verified,
    }


async def _copy(owner: asyncpg.Connection) -> float:
    """Return the seconds of a COPY of the same events into a table of the same shape."""
    await owner.execute("CREATE TABLE copied (LIKE scan.scan_events INCLUDING ALL)")
    with tempfile.TemporaryFile() as file:
        events = f"SELECT {_COLUMNS} FROM scan.scan_events"  # noqa: S608 - a constant
        await owner.copy_from_query(events, output=file, format="binary")  # type: ignore[no-untyped-call]
        file.seek(0)
        names = _COLUMNS.split(", ")
        started = time.perf_counter()
        await owner.copy_to_table("copied", source=file, columns=names, format="binary")  # type: ignore[no-untyped-call]
        return time.perf_counter() - started


if __name__ == "__main__":
    asyncio.run(main())
