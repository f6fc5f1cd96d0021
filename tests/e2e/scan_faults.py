"""Scans under load while parts fail: waiting for what must follow, and what the books must say after it."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence

from deploy.local.python import ROOT
from deploy.local.stack import LocalStack
from tests.e2e.edges import Edge
from tests.e2e.faults import stays, wait_until
from tests.e2e.load import Answer, Load
from voketag_sdk import Client

PROCESSES = ("scan-1", "scan-2")
UNITS = 40
"""Few, so that processes compete for the counters of each."""
RECOVERY_SECONDS = 5
PATIENCE_SECONDS = 15
_RECOVERIES = ROOT / "var" / "recovery-times.txt"


def issue(stack: LocalStack) -> list[str]:
    """Issue a batch of the stack's own tenant, and return its codes."""
    reached = stack.credentials
    with Client(reached["edge_url"], api_key=reached["partner_api_key"]) as voketag:
        product = voketag.products.create(sku="SCANNED", name="Aurora serum")
        batch = voketag.batches.create(product.id, quantity=UNITS)
        voketag.batches.wait(batch.id, timeout=60)
        return [unit.code for unit in voketag.batches.rows(batch.id)]


def wait_for_verdicts(load: Load, number: int = 100) -> None:
    """Return when that many scans that were asked for from now on have their verdicts."""
    start = time.monotonic()
    wait_until(
        f"{number} verdicts",
        lambda: sum(answer.asked_at > start for answer in load.verdicts) >= number,
        seconds=PATIENCE_SECONDS,
    )


def wait_for_refusals(load: Load, number: int = 100) -> None:
    """Return when that many scans more were refused."""
    before = len(load.refusals)
    wait_until(f"{number} refusals", lambda: len(load.refusals) - before >= number, seconds=PATIENCE_SECONDS)


def wait_for_recovery(load: Load, part: str) -> None:
    """Return when scans work again, all of them and to stay, which must come soon after `part` is back: now.

    How long it took, the run reports.
    """
    start = time.monotonic()

    def all_answered() -> bool:
        latest = [answer for answer in load.answers if answer.asked_at > start][-100:]
        return len(latest) == 100 and all(answer.recorded for answer in latest)

    wait_until("nothing but verdicts", all_answered, seconds=RECOVERY_SECONDS)
    refused = len(load.refusals)
    stays("every scan has its verdict", lambda: len(load.refusals) == refused, seconds=1)
    last = max((answer.answered_at for answer in load.refusals), default=start)
    report_recovery(f"scans after {part} was back: no refusal later than", max(0.0, last - start))


def report_recovery(what: str, seconds: float) -> None:
    """Say how long something took to come back, and add it to what the run leaves in `var`."""
    line = f"{what} {seconds:.2f} s"
    print(line)  # noqa: T201 - what the run is to report
    _RECOVERIES.parent.mkdir(parents=True, exist_ok=True)
    with _RECOVERIES.open("a") as file:
        file.write(f"{line}\n")


def assert_both_had_work(stack: LocalStack, edge: Edge) -> None:
    """A process without work would prove nothing by its death."""
    assert all(int(edge.sees(stack, process)["rq_total"]) > 100 for process in PROCESSES)


def assert_clean(answers: Sequence[Answer]) -> None:
    """Whatever is no verdict says UNAVAILABLE, and when to come back."""
    assert [answer for answer in answers if not answer.clean][:5] == []


def assert_in_the_books_once(stack: LocalStack, verdicts: Sequence[Answer]) -> None:
    """Every verdict is recorded once, and the counters of units say what the events say."""
    answered = [answer.body["verification_id"] for answer in verdicts]
    recorded = Counter(stack.sql("SELECT verification_id FROM scan.scan_events").split("\n"))
    assert {recorded[each] for each in answered} == {1}
    assert max(recorded.values()) == 1
    assert len(set(answered)) == len(answered)
    places = {(answer.code, answer.body["history"]["total_scans"]) for answer in verdicts}
    assert len(places) == len(verdicts), "two scans of a unit were told the same place"
    counted = stack.sql("SELECT unit_id, total_scans, first_scan_at, last_scan_at FROM scan.unit_scans ORDER BY 1")
    assert counted == stack.sql(
        "SELECT unit_id, count(*), min(scanned_at), max(scanned_at) FROM scan.scan_events GROUP BY 1 ORDER BY 1"
    )


def assert_ledger_whole(stack: LocalStack, verdicts: Sequence[Answer]) -> None:
    """Every event becomes an entry, the verdicts' among them, and the verifier finds nothing to say."""
    started = time.monotonic()
    wait_until(
        "every event is an entry",
        lambda: (
            stack.sql("SELECT (SELECT size FROM scan.ledger_state) = (SELECT count(*) FROM scan.scan_events)") == "t"
        ),
        seconds=PATIENCE_SECONDS,
    )
    report_recovery("the ledger after the load: every event an entry within", time.monotonic() - started)
    told = {**os.environ, "VOKETAG_DATABASE_URL": stack.postgres.url("voketag_scan")}
    command = [sys.executable, "-m", "services.scan.verify_ledger", "--key", stack.credentials["ledger_key"]]
    done = subprocess.run(command, env=told, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    entered = set(stack.sql("SELECT verification_id FROM scan.ledger_entries").split("\n"))
    assert {answer.body["verification_id"] for answer in verdicts} <= entered
