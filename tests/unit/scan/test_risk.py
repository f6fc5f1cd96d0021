"""Each factor at and around its threshold; scores and verdicts at their bounds."""

from datetime import date
from itertools import combinations

import pytest

from services.scan import risk
from services.scan.model import RecentHistory, RiskFactor, TenantPolicy, UnitState, Verdict, verdict_of
from services.scan.risk import Observation

BROWSER = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36"
TODAY = date(2026, 11, 24)
POLICY = TenantPolicy(warning_above=40, high_risk_above=70, disabled_factors=frozenset(), languages=())


def seen(*, total: int = 1, rapid: int = 1, recent: int = 1, user_agent: str = BROWSER) -> Observation:
    return Observation(history=RecentHistory(total=total, rapid=rapid, recent=recent, devices=1), user_agent=user_agent)


def names(observation: Observation) -> list[str]:
    return [factor.name for factor in risk.factors_of(observation, frozenset())]


def test_a_single_scan_has_no_factors() -> None:
    assert names(seen()) == []


@pytest.mark.parametrize(("recent", "holds"), [(1, False), (4, False), (5, True), (6, True)])
def test_the_fifth_scan_in_a_minute_is_high_frequency(recent: int, holds: bool) -> None:
    assert names(seen(recent=recent, total=recent)) == ["high_frequency"] * holds


@pytest.mark.parametrize(("rapid", "holds"), [(1, False), (2, False), (3, True), (4, True)])
def test_the_third_scan_in_half_a_minute_is_rapid(rapid: int, holds: bool) -> None:
    assert names(seen(rapid=rapid, recent=rapid, total=rapid)) == ["rapid_scans"] * holds


@pytest.mark.parametrize(("total", "holds"), [(9, False), (10, False), (11, True), (12, True)])
def test_the_eleventh_scan_is_unusual_repetition(total: int, holds: bool) -> None:
    assert names(seen(total=total)) == ["unusual_repetition"] * holds


@pytest.mark.parametrize(
    "user_agent",
    [
        "Googlebot/2.1",
        "some-Crawler",
        "SPIDER",
        "scraper/1",
        "curl/8.9.1",
        "Wget/1.24",
        "python-requests/2.32",
        "Go-http-client/1.1",
        "axios/1.7",
        "PostmanRuntime/7",
        "insomnia/10",
    ],
)
def test_programs_are_suspicious_however_they_are_written(user_agent: str) -> None:
    assert names(seen(user_agent=user_agent)) == ["suspicious_user_agent"]


@pytest.mark.parametrize("user_agent", ["", BROWSER])
def test_browsers_and_silence_are_not_suspicious(user_agent: str) -> None:
    assert names(seen(user_agent=user_agent)) == []


def test_factors_come_heaviest_first_with_their_weights() -> None:
    everything = risk.factors_of(seen(total=11, rapid=11, recent=11, user_agent="curl"), frozenset())
    assert [(factor.name, factor.weight) for factor in everything] == [
        ("rapid_scans", 35),
        ("high_frequency", 30),
        ("suspicious_user_agent", 25),
        ("unusual_repetition", 15),
    ]


def test_a_score_is_the_sum_and_at_most_100() -> None:
    everything = risk.factors_of(seen(total=11, rapid=11, recent=11, user_agent="curl"), frozenset())
    for count in range(len(everything) + 1):
        for some in combinations(everything, count):
            assert risk.score_of(some) == min(100, sum(factor.weight for factor in some))
    assert risk.score_of(everything) == 100
    assert risk.score_of((RiskFactor("a", 60), RiskFactor("b", 40))) == 100


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (0, Verdict.AUTHENTIC),
        (40, Verdict.AUTHENTIC),
        (41, Verdict.WARNING),
        (70, Verdict.WARNING),
        (71, Verdict.HIGH_RISK),
        (100, Verdict.HIGH_RISK),
    ],
)
def test_levels_begin_after_40_and_70(score: int, verdict: Verdict) -> None:
    assert verdict_of(state=UnitState.ACTIVE, expires_at=None, today=TODAY, score=score, policy=POLICY) is verdict


@pytest.mark.parametrize(
    ("expires_at", "verdict"),
    [
        (None, Verdict.AUTHENTIC),
        (date(2026, 11, 25), Verdict.AUTHENTIC),
        (date(2026, 11, 24), Verdict.AUTHENTIC),
        (date(2026, 11, 23), Verdict.EXPIRED),
    ],
)
def test_the_last_day_of_use_is_a_day_of_use(expires_at: date | None, verdict: Verdict) -> None:
    assert verdict_of(state=UnitState.ACTIVE, expires_at=expires_at, today=TODAY, score=0, policy=POLICY) is verdict


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (UnitState.RECALLED, Verdict.RECALLED),
        (UnitState.SUSPENDED, Verdict.SUSPENDED),
        (UnitState.BLOCKED, Verdict.BLOCKED),
    ],
)
def test_the_makers_word_comes_before_expiry_and_score(state: UnitState, verdict: Verdict) -> None:
    assert verdict_of(state=state, expires_at=date(2020, 1, 1), today=TODAY, score=100, policy=POLICY) is verdict


def test_only_units_in_force_are_valid() -> None:
    assert {verdict for verdict in Verdict if verdict.valid} == {
        Verdict.AUTHENTIC,
        Verdict.WARNING,
        Verdict.HIGH_RISK,
    }
