"""Each factor at and around its threshold; scores and verdicts at their bounds."""

from datetime import date
from itertools import combinations
from typing import Any

import pytest

from services.scan import risk
from services.scan.model import RecentHistory, RiskFactor, TenantPolicy, UnitState, Verdict, Visit, verdict_of
from services.scan.networks import Network
from services.scan.risk import Observation

BROWSER = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36"
TODAY = date(2026, 11, 24)
POLICY = TenantPolicy(warning_above=40, high_risk_above=70, disabled_factors=frozenset(), languages=())


def seen(
    *,
    total: int = 1,
    rapid: int = 1,
    recent: int = 1,
    devices: int = 1,
    countries: int = 0,
    previous: Visit | None = None,
    user_agent: str = BROWSER,
    **circumstances: Any,
) -> Observation:
    history = RecentHistory(
        total=total,
        recent=total,
        rapid_sessions=rapid,
        recent_sessions=recent,
        devices=devices,
        countries=countries,
        previous=previous,
    )
    return Observation(history=history, user_agent=user_agent, **circumstances)


def names(observation: Observation) -> list[str]:
    return [factor.name for factor in risk.factors_of(observation, frozenset())]


def test_a_single_scan_has_no_factors() -> None:
    assert names(seen()) == []


@pytest.mark.parametrize(("recent", "holds"), [(1, False), (4, False), (5, True), (6, True)])
def test_the_fifth_session_in_a_minute_is_high_frequency(recent: int, holds: bool) -> None:
    assert names(seen(recent=recent, total=recent)) == ["high_frequency"] * holds


@pytest.mark.parametrize(("rapid", "holds"), [(1, False), (2, False), (3, True), (4, True)])
def test_the_third_session_in_half_a_minute_is_rapid(rapid: int, holds: bool) -> None:
    assert names(seen(rapid=rapid, recent=rapid, total=rapid)) == ["rapid_scans"] * holds


@pytest.mark.parametrize(("total", "holds"), [(9, False), (10, False), (11, True), (12, True)])
def test_the_eleventh_scan_is_unusual_repetition(total: int, holds: bool) -> None:
    assert names(seen(total=total)) == ["unusual_repetition"] * holds


@pytest.mark.parametrize(("devices", "holds"), [(1, False), (9, False), (10, True), (100, True)])
def test_the_tenth_device_in_a_day_is_many(devices: int, holds: bool) -> None:
    assert names(seen(devices=devices)) == ["many_devices"] * holds


@pytest.mark.parametrize(("countries", "holds"), [(0, False), (4, False), (5, True), (6, True)])
def test_the_fifth_country_in_a_day_is_multiple(countries: int, holds: bool) -> None:
    assert names(seen(countries=countries)) == ["multiple_countries"] * holds


@pytest.mark.parametrize(
    ("country", "markets", "holds"),
    [
        ("BR", {"BR"}, False),
        ("AR", {"BR"}, True),
        ("AR", {"BR", "AR"}, False),
        ("AR", set(), False),
        ("", {"BR"}, False),
    ],
)
def test_a_country_that_the_product_is_not_sold_in_is_a_mismatch(country: str, markets: set[str], holds: bool) -> None:
    assert names(seen(country=country, markets=frozenset(markets))) == ["country_mismatch"] * holds


@pytest.mark.parametrize(
    ("networks", "factors"),
    [
        ({Network.TOR}, ["tor_or_vpn"]),
        ({Network.VPN}, ["tor_or_vpn"]),
        ({Network.HOSTING}, ["hosting_network"]),
        ({Network.VPN, Network.HOSTING}, ["tor_or_vpn"]),
    ],
)
def test_networks_that_hide_are_named(networks: set[Network], factors: list[str]) -> None:
    assert names(seen(networks=frozenset(networks))) == factors


SAO_PAULO, RIO, BUENOS_AIRES, LISBON = "-24-047", "-23-044", "-35-059", "+38-010"


@pytest.mark.parametrize(
    ("before", "hours", "holds"),
    [
        (LISBON, 7.5, True),  # some 7,900 km
        (LISBON, 8.5, False),
        (BUENOS_AIRES, 1.0, True),  # some 1,660 km
        (BUENOS_AIRES, 2.0, False),
        (RIO, 0.2, True),  # some 327 km
        (RIO, 0.5, False),
        (SAO_PAULO, 0.0, False),
        ("-24-046", 0.0, False),  # next door: the tables are no better than that
    ],
)
def test_nobody_carries_a_unit_faster_than_an_airliner(before: str, hours: float, holds: bool) -> None:
    found = names(seen(cell=SAO_PAULO, previous=Visit(cell=before, seconds_ago=hours * 3600)))
    assert found == ["impossible_travel"] * holds


def test_without_places_there_is_no_travel() -> None:
    assert names(seen(previous=Visit(cell=LISBON, seconds_ago=1))) == []
    assert names(seen(cell=SAO_PAULO)) == []


@pytest.mark.parametrize(("state", "devices", "holds"), [("SOLD", 2, False), ("SOLD", 3, True), ("ACTIVE", 3, False)])
def test_a_sold_unit_that_a_crowd_scans_is_unusual(state: str, devices: int, holds: bool) -> None:
    assert names(seen(state=UnitState[state], devices=devices)) == ["scanned_after_sale"] * holds


def test_a_recalled_unit_in_somebodys_hands_is_a_factor() -> None:
    assert names(seen(state=UnitState.RECALLED)) == ["scanned_after_recall"]


@pytest.mark.parametrize("factor", risk.FACTORS, ids=lambda factor: factor.name)
def test_a_factor_that_the_tenant_turned_off_does_not_count(factor: RiskFactor) -> None:
    everything = seen(
        total=11,
        rapid=3,
        recent=5,
        devices=10,
        countries=5,
        user_agent="curl",
        country="AR",
        markets=frozenset({"BR"}),
        networks=frozenset({Network.HOSTING if factor is risk.HOSTING_NETWORK else Network.TOR}),
        cell=SAO_PAULO,
        previous=Visit(cell=LISBON, seconds_ago=1),
        state=UnitState.RECALLED if factor is risk.SCANNED_AFTER_RECALL else UnitState.SOLD,
    )
    told = names(everything)
    assert (len(told), factor.name in told) == (len(risk.FACTORS) - 2, True), "all but those that exclude each other"
    without = [each.name for each in risk.factors_of(everything, frozenset({factor.name}))]
    assert without == [name for name in told if name != factor.name]


def test_the_seven_factors_have_the_weights_that_they_always_had() -> None:
    weights = {factor.name: factor.weight for factor in risk.FACTORS}
    assert (
        weights.items()
        >= {
            "country_mismatch": 20,
            "high_frequency": 30,
            "tor_or_vpn": 40,
            "suspicious_user_agent": 25,
            "unusual_repetition": 15,
            "multiple_countries": 20,
            "rapid_scans": 35,
        }.items()
    )
    assert [factor.weight for factor in risk.FACTORS] == sorted(weights.values(), reverse=True)


@pytest.mark.parametrize(
    "user_agent",
    [
        "Googlebot/2.1",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Twitterbot/1.0",
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


CUBOT = "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36"


@pytest.mark.parametrize("user_agent", ["", BROWSER, CUBOT, CUBOT.replace(" P80", "_NOTE_20")])
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
