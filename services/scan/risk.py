"""The risk score: small pure functions over one record, each with a weight.

Every count includes the scan in hand: "5 scans in 60 seconds" holds from the fifth one on, and "more than 10" from the
eleventh. A score is the sum of the weights, at most 100.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from services.scan.model import RecentHistory, RiskFactor

HIGH_FREQUENCY = RiskFactor("high_frequency", 30)
RAPID_SCANS = RiskFactor("rapid_scans", 35)
UNUSUAL_REPETITION = RiskFactor("unusual_repetition", 15)
SUSPICIOUS_USER_AGENT = RiskFactor("suspicious_user_agent", 25)

# Programs, not people. A missing user agent is no sign of anything.
_PROGRAMS = (
    "bot",
    "crawler",
    "spider",
    "scraper",
    "curl",
    "wget",
    "python",
    "go-http-client",
    "axios",
    "postman",
    "insomnia",
)


@dataclass(frozen=True, slots=True)
class Observation:
    """All that the score is made of."""

    history: RecentHistory
    user_agent: str


def is_high_frequency(seen: Observation) -> bool:
    """5 or more scans in 60 seconds."""
    return seen.history.recent >= 5


def is_rapid(seen: Observation) -> bool:
    """3 or more scans in 30 seconds."""
    return seen.history.rapid >= 3


def is_unusual_repetition(seen: Observation) -> bool:
    """More than 10 scans since the unit was issued."""
    return seen.history.total > 10


def is_suspicious_user_agent(seen: Observation) -> bool:
    """The user agent names a program that people do not scan with."""
    return _names_a_program(seen.user_agent)


@lru_cache(maxsize=10_000)
def _names_a_program(user_agent: str) -> bool:
    lower = user_agent.lower()
    return any(program in lower for program in _PROGRAMS)


# Heaviest first: the order in which an answer gives its reasons.
_RULES: tuple[tuple[RiskFactor, Callable[[Observation], bool]], ...] = (
    (RAPID_SCANS, is_rapid),
    (HIGH_FREQUENCY, is_high_frequency),
    (SUSPICIOUS_USER_AGENT, is_suspicious_user_agent),
    (UNUSUAL_REPETITION, is_unusual_repetition),
)


def factors_of(seen: Observation, disabled: frozenset[str]) -> tuple[RiskFactor, ...]:
    """Return what raises the score, heaviest first; `disabled` are the factors that do not count for the tenant."""
    return tuple(factor for factor, holds in _RULES if factor.name not in disabled and holds(seen))


def score_of(factors: tuple[RiskFactor, ...]) -> int:
    """Return the score, 0..100."""
    return min(sum(factor.weight for factor in factors), 100)
