"""Scan processes and PostgreSQL that die, or are stopped, under load: what was answered is in the books, once."""

from collections.abc import Iterator

import pytest

from deploy.local.stack import LocalStack
from tests.e2e import scan_faults
from tests.e2e.edges import TRANSPORTS, Edge, edge_over
from tests.e2e.faults import crash
from tests.e2e.load import Load
from tests.e2e.scan_faults import (
    PROCESSES,
    assert_both_had_work,
    assert_clean,
    assert_in_the_books_once,
    assert_ledger_whole,
    wait_for_recovery,
    wait_for_refusals,
    wait_for_verdicts,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def codes(breakable: LocalStack) -> list[str]:
    """Codes to scan."""
    return scan_faults.issue(breakable)


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
            wait_for_recovery(load, process)
    assert_both_had_work(breakable, edge)
    assert_clean(load.answers)
    assert len(load.refusals) <= len(PROCESSES) * load.connections
    assert_in_the_books_once(breakable, load.verdicts)


def test_while_postgres_is_dead_no_verdict_is_given_and_then_all_are(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        for _ in range(2):
            wait_for_verdicts(load)
            crash(breakable, "postgres", meanwhile=lambda: wait_for_refusals(load))
            wait_for_recovery(load, "postgres")
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
        wait_for_recovery(load, "the last scan process")
    assert_both_had_work(breakable, edge)
    assert [answer.body for answer in load.refusals] == []
    assert_in_the_books_once(breakable, load.verdicts)


def test_while_valkey_is_dead_every_scan_has_its_verdict(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        for _ in range(2):
            wait_for_verdicts(load)
            crash(breakable, "valkey", meanwhile=lambda: wait_for_verdicts(load))
            wait_for_recovery(load, "valkey")
    assert load.refusals == []
    assert any(answer.body["degraded"] for answer in load.verdicts)
    assert not load.verdicts[-1].body["degraded"]
    assert_in_the_books_once(breakable, load.verdicts)


def test_while_the_edge_is_dead_nothing_is_lost(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        wait_for_verdicts(load)
        crash(breakable, "envoy")
        wait_for_recovery(load, "envoy")
    assert_in_the_books_once(breakable, load.verdicts)


def test_the_ledger_is_whole_though_its_leader_is_killed_over_and_over(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        for _ in range(3):
            wait_for_verdicts(load)
            crash(breakable, "scan-worker", meanwhile=lambda: wait_for_verdicts(load))
    assert load.refusals == [], "scans do not wait for the ledger"
    assert_ledger_whole(breakable, load.verdicts)
