"""Scan processes and PostgreSQL that die, or are stopped, under load: what was answered is in the books, once."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from deploy.local.python import ROOT
from deploy.local.stack import LocalStack
from tests.e2e.edges import TRANSPORTS, Edge, edge_over
from tests.e2e.faults import crash, stays, wait_until
from tests.e2e.load import Answer, Load
from voketag_sdk import Client

pytestmark = pytest.mark.slow

PROCESSES = ("scan-1", "scan-2")
UNITS = 40
"""Few, so that processes compete for the counters of each."""
RECOVERY_SECONDS = 5
PATIENCE_SECONDS = 15


@pytest.fixture(scope="module")
def codes(breakable: LocalStack) -> list[str]:
    """Codes to scan."""
    reached = breakable.credentials
    with Client(reached["edge_url"], api_key=reached["partner_api_key"]) as voketag:
        product = voketag.products.create(sku="SCANNED", name="Aurora serum")
        batch = voketag.batches.create(product.id, quantity=UNITS)
        voketag.batches.wait(batch.id, timeout=60)
        return [unit.code for unit in voketag.batches.rows(batch.id)]


@pytest.fixture(params=TRANSPORTS)
def edge(request: pytest.FixtureRequest, breakable: LocalStack) -> Iterator[Edge]:
    """The edge, over each transport."""
    with edge_over(request.param, breakable) as edge:
        yield edge


def test_a_killed_scan_process_costs_only_the_scans_that_it_had_in_hand(
    breakable: LocalStack, edge: Edge, codes: list[str]
) -> None:
    with Load(edge.url, codes) as load:
        for process in PROCESSES:
            edge.wait_until_in_service(breakable, PROCESSES)
            wait_for_verdicts(load)
            crash(breakable, process, meanwhile=lambda: wait_for_verdicts(load))
            wait_for_recovery(load)
    assert_both_had_work(breakable, edge)
    assert_clean(load.answers)
    assert len(load.refusals) <= len(PROCESSES) * load.connections
    assert_in_the_books_once(breakable, load.verdicts)


def test_while_postgres_is_dead_no_verdict_is_given_and_then_all_are(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        for _ in range(2):
            wait_for_verdicts(load)
            crash(breakable, "postgres", meanwhile=lambda: wait_for_refusals(load))
            wait_for_recovery(load)
    assert_clean(load.answers)
    assert_in_the_books_once(breakable, load.verdicts)


def test_scan_processes_that_are_stopped_one_after_the_other_fail_no_scan(
    breakable: LocalStack, edge: Edge, codes: list[str]
) -> None:
    with Load(edge.url, codes) as load:
        for process in PROCESSES:
            edge.wait_until_in_service(breakable, PROCESSES)
            wait_for_verdicts(load)
            breakable.stop(process)
            wait_for_verdicts(load)
            breakable.start(process)
        wait_for_recovery(load)
    assert_both_had_work(breakable, edge)
    assert [answer.body for answer in load.refusals] == []
    assert_in_the_books_once(breakable, load.verdicts)


def test_while_valkey_is_dead_every_scan_has_its_verdict(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        for _ in range(2):
            wait_for_verdicts(load)
            crash(breakable, "valkey", meanwhile=lambda: wait_for_verdicts(load))
            wait_for_recovery(load)
    assert load.refusals == []
    assert any(answer.body["degraded"] for answer in load.verdicts)
    assert not load.verdicts[-1].body["degraded"]
    assert_in_the_books_once(breakable, load.verdicts)


def test_while_the_edge_is_dead_nothing_is_lost(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        wait_for_verdicts(load)
        crash(breakable, "envoy")
        wait_for_recovery(load)
    assert_in_the_books_once(breakable, load.verdicts)


def test_the_ledger_is_whole_though_its_leader_is_killed_over_and_over(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        for _ in range(3):
            wait_for_verdicts(load)
            crash(breakable, "scan-worker", meanwhile=lambda: wait_for_verdicts(load))
    assert load.refusals == [], "scans do not wait for the ledger"
    wait_until(
        "every event is an entry",
        lambda: (
            breakable.sql("SELECT (SELECT size FROM scan.ledger_state) = (SELECT count(*) FROM scan.scan_events)")
            == "t"
        ),
        seconds=PATIENCE_SECONDS,
    )
    told = {**os.environ, "VOKETAG_DATABASE_URL": breakable.postgres.url("voketag_scan")}
    command = [sys.executable, "-m", "services.scan.verify_ledger", "--key", breakable.credentials["ledger_key"]]
    done = subprocess.run(command, env=told, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    entered = set(breakable.sql("SELECT verification_id FROM scan.ledger_entries").split("\n"))
    assert {answer.body["verification_id"] for answer in load.verdicts} <= entered


def assert_both_had_work(stack: LocalStack, edge: Edge) -> None:
    """A process without work would prove nothing by its death."""
    assert all(int(edge.sees(stack, process)["rq_total"]) > 100 for process in PROCESSES)


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


def wait_for_recovery(load: Load) -> None:
    """Return when scans work again, all of them and to stay, which must come soon."""
    start = time.monotonic()

    def all_answered() -> bool:
        latest = [answer for answer in load.answers if answer.asked_at > start][-100:]
        return len(latest) == 100 and all(answer.recorded for answer in latest)

    wait_until("nothing but verdicts", all_answered, seconds=RECOVERY_SECONDS)
    refused = len(load.refusals)
    stays("every scan has its verdict", lambda: len(load.refusals) == refused, seconds=1)


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
