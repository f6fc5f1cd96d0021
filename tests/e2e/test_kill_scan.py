"""Parts that die, are stopped, or have their clock set, under load: what was answered is in the books, once."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from deploy.local.stack import LocalStack
from tests.e2e import scan_faults
from tests.e2e.edge import UNKNOWN_CODE, Rest, refusal_of
from tests.e2e.edges import TRANSPORTS, Edge, edge_over
from tests.e2e.faults import clock_of_postgres, crash, wait_until
from tests.e2e.load import Answer, Load
from tests.e2e.scan_faults import (
    PROCESSES,
    assert_both_had_work,
    assert_clean,
    assert_in_the_books_once,
    assert_ledger_whole,
    report_recovery,
    wait_for_recovery,
    wait_for_refusals,
    wait_for_verdicts,
)
from voketag.admin.v1 import admin_pb2, admin_pb2_grpc

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


def test_scans_go_by_postgres_clock_wherever_it_is_set_to(breakable: LocalStack, codes: list[str]) -> None:
    def off(answer: Answer) -> timedelta:
        asked_at = datetime.fromtimestamp(time.time() - time.monotonic() + answer.asked_at, UTC)
        return datetime.fromisoformat(answer.body["scanned_at"]) - asked_at

    with (
        clock_of_postgres(breakable, "voketag_scan") as set_off,
        Load(breakable.credentials["edge_url"], codes) as load,
    ):
        wait_for_verdicts(load)
        connected_again = time.monotonic()
        set_off(timedelta(hours=2))
        signed_later = "SELECT max(signed_at) > clock_timestamp() + interval '1 hour' FROM scan.ledger_checkpoints"
        wait_until("the worker goes by it", lambda: breakable.sql(signed_later) == "t", seconds=10, every=0.2)
        for hours in (-3, 0):
            start = time.monotonic()
            set_off(timedelta(hours=hours))
            wait_until(
                f"verdicts {hours} h from now",
                lambda hours=hours: abs(off(load.verdicts[-1]) - timedelta(hours=hours)) < timedelta(seconds=5),  # type: ignore[misc]
                seconds=5,
            )
            report_recovery("postgres' clock set by hours: verdicts go by it within", time.monotonic() - start)
            wait_for_verdicts(load)
    answers = [answer for answer in load.answers if answer.asked_at > connected_again]
    assert [answer.body for answer in answers if not answer.recorded] == []
    assert_in_the_books_once(breakable, load.verdicts)
    assert_ledger_whole(breakable, load.verdicts)
    told = {factor["factor"] for answer in answers for factor in answer.body["risk_factors"]}
    assert told <= {"unusual_repetition"}, "one device scans over and over: that is all that may be said of it"


def test_a_room_that_is_down_is_unavailable_and_comes_back(breakable: LocalStack) -> None:
    rest = Rest(breakable.credentials["edge_url"])
    login = {"email": "nobody@example.com", "password": "not this one"}
    breakable.kill("admin")
    answer = rest("POST", "/v1/admin/auth/login", login)
    assert (answer.status, answer.body["code"], answer.reason) == (503, 14, "UNAVAILABLE")
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "1s"} in answer.body["details"]
    with grpc.insecure_channel(breakable.credentials["edge_url"].removeprefix("http://")) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            admin_pb2_grpc.AdminServiceStub(channel).Login(admin_pb2.LoginRequest(), timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert refusal_of(refused.value).reason == "UNAVAILABLE"
    breakable.start("admin")
    wait_until("Admin refuses by itself", lambda: rest("POST", "/v1/admin/auth/login", login).status == 401, seconds=10)


def test_whoever_scans_while_scan_is_down_reads_a_page(breakable: LocalStack) -> None:
    rest = Rest(breakable.credentials["edge_url"])
    breakable.kill("scan-1")
    assert [rest("GET", "/v1/health").status for _ in range(20)] == [200] * 20, "the other process takes over"
    breakable.kill("scan-2")
    page = rest("GET", f"/r/{UNKNOWN_CODE}", **{"accept-language": "es"})
    assert (page.status, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "<h1>Ahora no podemos comprobarlo</h1>" in page.body
    for process in PROCESSES:
        breakable.start(process)
    wait_until("the code is looked for", lambda: rest("GET", f"/r/{UNKNOWN_CODE}").status == 404, seconds=10)
