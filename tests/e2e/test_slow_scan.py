"""Parts that are there and no good, under load: a PostgreSQL that is slow or hangs, a Valkey that is full or silent."""

import time

import pytest
from redis import Redis

from deploy.local.stack import LocalStack
from tests.e2e import scan_faults
from tests.e2e.edge import Rest
from tests.e2e.load import Load
from tests.e2e.scan_faults import (
    assert_clean,
    assert_in_the_books_once,
    assert_ledger_whole,
    report_recovery,
    wait_for_recovery,
    wait_for_refusals,
    wait_for_verdicts,
)
from tests.freezing import frozen

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def codes(breakable: LocalStack) -> list[str]:
    """Codes to scan."""
    return scan_faults.issue(breakable)


def slow_down(stack: LocalStack, seconds: float) -> None:
    """Make every commit of scans take so long; 0 makes it quick again."""
    stack.sql("DROP TRIGGER IF EXISTS slow ON scan.unit_scans")
    if seconds:
        stack.sql(
            "CREATE OR REPLACE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$"
        )
        stack.sql(
            "CREATE TRIGGER slow AFTER INSERT ON scan.unit_scans FOR EACH STATEMENT EXECUTE FUNCTION public.slow()"
        )


def test_a_slow_database_makes_scans_slow_and_refuses_none(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        wait_for_verdicts(load)
        slow_down(breakable, 0.3)
        wait_for_verdicts(load)
        slow_down(breakable, 0)
        wait_for_recovery(load, "a quick postgres")
    assert load.refusals == []
    assert_in_the_books_once(breakable, load.verdicts)


def test_a_database_slower_than_a_scan_may_take_is_unavailable_and_comes_back(
    breakable: LocalStack, codes: list[str]
) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        wait_for_verdicts(load)
        slow_down(breakable, 3)
        try:
            wait_for_refusals(load, 40)
        finally:
            slow_down(breakable, 0)
        wait_for_recovery(load, "a quick postgres")
    assert_clean(load.answers)
    assert max(answer.answered_at - answer.asked_at for answer in load.answers) < 5
    assert_in_the_books_once(breakable, load.verdicts)


def test_while_postgres_hangs_scans_are_refused_and_then_all_are_given(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        wait_for_verdicts(load)
        with frozen(breakable.postgres):
            wait_for_refusals(load, load.connections)
            known = time.monotonic()
            wait_for_refusals(load, 300)
        wait_for_recovery(load, "a frozen postgres")
    assert_clean(load.answers)
    late = [answer for answer in load.refusals if answer.asked_at > known]
    times = sorted(answer.answered_at - answer.asked_at for answer in late)
    assert times[len(times) * 9 // 10] < 0.25, "once it is known, nobody waits"
    assert_in_the_books_once(breakable, load.verdicts)


def test_a_full_valkey_costs_no_verdict(breakable: LocalStack, codes: list[str]) -> None:
    with (
        Redis.from_url(breakable.valkey.url(1)) as redis,
        Load(breakable.credentials["edge_url"], codes) as load,
    ):
        wait_for_verdicts(load)
        as_it_was = redis.config_get("maxmemory*")
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", "1")
        try:
            wait_for_verdicts(load, 200)
            full = load.verdicts[-50:]
        finally:
            for name in ("maxmemory", "maxmemory-policy"):
                redis.config_set(name, as_it_was[name])
        started = time.monotonic()
        wait_for_recovery(load, "a full valkey")
    assert load.refusals == []
    assert all(answer.body["degraded"] for answer in full)
    degraded = [answer.answered_at for answer in load.verdicts if answer.body["degraded"]]
    report_recovery("a full valkey: no degraded verdict later than", max(0.0, max(degraded) - started))
    assert max(degraded) - started < 5
    assert_in_the_books_once(breakable, load.verdicts)


def test_with_the_channel_cut_a_recall_is_obeyed_by_every_process_within_a_second(
    breakable: LocalStack, codes: list[str]
) -> None:
    rest = Rest(breakable.credentials["edge_url"])
    partner = rest.with_key(breakable.credentials["partner_api_key"])
    unit_id = breakable.sql("SELECT min(unit_id) FROM factory.units")
    with Load(breakable.credentials["edge_url"], codes[:1]) as load:
        wait_for_verdicts(load)
        breakable.pause("valkey")
        try:
            asked = time.monotonic()
            answer = partner("POST", f"/v1/units/{unit_id}/state", {"state": "UNIT_STATE_RECALLED"})
            recalled = time.monotonic()
            assert answer.status == 200
            time.sleep(2)
        finally:
            breakable.resume("valkey")
        wait_for_recovery(load, "a silent valkey")
    partner("POST", f"/v1/units/{unit_id}/state", {"state": "UNIT_STATE_ACTIVE"})
    late = [answer.body["verdict"] for answer in load.verdicts if answer.asked_at > recalled + 1]
    assert len(late) > 20
    assert set(late) == {"VERDICT_RECALLED"}
    first = min(each.answered_at for each in load.verdicts if each.body["verdict"] == "VERDICT_RECALLED")
    report_recovery("a recall with the channel cut: obeyed after", max(0.0, first - asked))
    assert load.refusals == []


def test_after_all_of_it_the_ledger_is_whole(breakable: LocalStack, codes: list[str]) -> None:
    with Load(breakable.credentials["edge_url"], codes) as load:
        wait_for_verdicts(load)
        with frozen(breakable.postgres):
            wait_for_refusals(load, load.connections)
        wait_for_recovery(load, "a frozen postgres")
    assert_ledger_whole(breakable, load.verdicts)
