"""The risk score: small pure functions over one record of what was seen, each with a weight.

Every count includes the scan in hand: "5 sessions in 60 seconds" holds from the fifth one on, "more than 10" from the
eleventh. A score is the sum of the weights, at most 100. What a factor cannot know (no table of countries, no place) it
holds for usual.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from services.scan.model import RecentHistory, RiskFactor, UnitState
from services.scan.networks import Network
from services.scan.places import distance_km

COUNTRY_MISMATCH = RiskFactor("country_mismatch", 20)
HIGH_FREQUENCY = RiskFactor("high_frequency", 30)
TOR_OR_VPN = RiskFactor("tor_or_vpn", 40)
SUSPICIOUS_USER_AGENT = RiskFactor("suspicious_user_agent", 25)
UNUSUAL_REPETITION = RiskFactor("unusual_repetition", 15)
MULTIPLE_COUNTRIES = RiskFactor("multiple_countries", 20)
RAPID_SCANS = RiskFactor("rapid_scans", 35)
IMPOSSIBLE_TRAVEL = RiskFactor("impossible_travel", 30)
MANY_DEVICES = RiskFactor("many_devices", 20)
HOSTING_NETWORK = RiskFactor("hosting_network", 15)
SCANNED_AFTER_SALE = RiskFactor("scanned_after_sale", 15)
SCANNED_AFTER_RECALL = RiskFactor("scanned_after_recall", 25)

_FASTEST_KMH = 1_000.0  # an airliner with the wind
_FAR_KM = 300.0  # below, cells and the tables behind them are too coarse to call it travel

# Programs, not people. A missing user agent is no sign of anything.
_PROGRAM = re.compile(
    r"(?<!cu)bot|crawler|spider|scraper|curl|wget|python|go-http-client|axios|postman|insomnia",  # Cubot makes phones
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Observation:
    """All that the score is made of. `country` and `cell` are empty when they are not known."""

    history: RecentHistory
    user_agent: str
    country: str = ""
    cell: str = ""
    networks: frozenset[Network] = frozenset()
    markets: frozenset[str] = frozenset()
    state: UnitState = UnitState.ACTIVE


def is_country_mismatch(seen: Observation) -> bool:
    """The scan comes from a country that the product is not sold in."""
    return bool(seen.country and seen.markets) and seen.country not in seen.markets


def is_high_frequency(seen: Observation) -> bool:
    """5 or more sessions began in 60 seconds."""
    return seen.history.recent_sessions >= 5


def is_tor_or_vpn(seen: Observation) -> bool:
    """The scan comes through Tor, a VPN or a proxy."""
    return Network.TOR in seen.networks or Network.VPN in seen.networks


def is_suspicious_user_agent(seen: Observation) -> bool:
    """The user agent names a program that people do not scan with."""
    return _names_a_program(seen.user_agent)


def is_unusual_repetition(seen: Observation) -> bool:
    """More than 10 scans since the unit was issued."""
    return seen.history.total > 10


def is_multiple_countries(seen: Observation) -> bool:
    """5 or more countries within a day."""
    return seen.history.countries >= 5


def is_rapid(seen: Observation) -> bool:
    """3 or more sessions began in 30 seconds."""
    return seen.history.rapid_sessions >= 3


def is_impossible_travel(seen: Observation) -> bool:
    """The unit was scanned far away, too short a time ago for anybody to have carried it here."""
    before = seen.history.previous
    if before is None or not seen.cell:
        return False
    distance = distance_km(before.cell, seen.cell)
    return distance > _FAR_KM and distance > _FASTEST_KMH * before.seconds_ago / 3600


def is_many_devices(seen: Observation) -> bool:
    """10 or more devices within a day."""
    return seen.history.devices >= 10


def is_hosting_network(seen: Observation) -> bool:
    """The scan comes from a hosting centre: a program, or somebody who hides. VPNs stand in such centres: it is one
    fact, and counts once."""
    return Network.HOSTING in seen.networks and not is_tor_or_vpn(seen)


def is_scanned_after_sale(seen: Observation) -> bool:
    """The maker says that the unit was sold, and 3 or more devices scan it within a day: more than a household."""
    return seen.state is UnitState.SOLD and seen.history.devices >= 3


def is_scanned_after_recall(seen: Observation) -> bool:
    """The unit was recalled, and is still in somebody's hands."""
    return seen.state is UnitState.RECALLED


@lru_cache(maxsize=10_000)
def _names_a_program(user_agent: str) -> bool:
    return _PROGRAM.search(user_agent) is not None


# Heaviest first: the order in which an answer gives its reasons.
_RULES: tuple[tuple[RiskFactor, Callable[[Observation], bool]], ...] = (
    (TOR_OR_VPN, is_tor_or_vpn),
    (RAPID_SCANS, is_rapid),
    (HIGH_FREQUENCY, is_high_frequency),
    (IMPOSSIBLE_TRAVEL, is_impossible_travel),
    (SUSPICIOUS_USER_AGENT, is_suspicious_user_agent),
    (SCANNED_AFTER_RECALL, is_scanned_after_recall),
    (COUNTRY_MISMATCH, is_country_mismatch),
    (MULTIPLE_COUNTRIES, is_multiple_countries),
    (MANY_DEVICES, is_many_devices),
    (UNUSUAL_REPETITION, is_unusual_repetition),
    (HOSTING_NETWORK, is_hosting_network),
    (SCANNED_AFTER_SALE, is_scanned_after_sale),
)
FACTORS = tuple(factor for factor, _ in _RULES)
"""Every factor that there is, heaviest first."""


def factors_of(seen: Observation, disabled: frozenset[str]) -> tuple[RiskFactor, ...]:
    """Return what raises the score, heaviest first; `disabled` are the factors that do not count for the tenant."""
    return tuple(factor for factor, holds in _RULES if factor.name not in disabled and holds(seen))


def score_of(factors: tuple[RiskFactor, ...]) -> int:
    """Return the score, 0..100."""
    return min(sum(factor.weight for factor in factors), 100)
