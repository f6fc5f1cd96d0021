"""When a call is made again, and how long it waits before."""

import random
from dataclasses import dataclass
from typing import Final

from voketag_sdk.errors import Aborted, ResourceExhausted, Unavailable, VokeTagError

_SPREAD: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), always inside the call's timeout.

    `attempts` counts the first one: 1 never tries again.
    """

    attempts: int = 8
    initial_seconds: float = 0.1
    max_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.attempts < 1 or self.initial_seconds <= 0 or self.max_seconds < self.initial_seconds:
            raise ValueError("a retry policy needs attempts >= 1 and 0 < initial_seconds <= max_seconds")

    def delay(self, failures: int, error: VokeTagError) -> float:
        """Seconds to wait after that many failures in a row: never less than the platform asked for."""
        ceiling = min(self.max_seconds, self.initial_seconds * 2.0 ** min(failures - 1, 30))
        return (error.retry_after or 0.0) + _SPREAD.uniform(0, ceiling)


def worth_repeating(error: VokeTagError) -> bool:
    """Tell whether the same call may succeed later: the platform is down, or names the time to come back."""
    if isinstance(error, Unavailable):
        return True
    return isinstance(error, ResourceExhausted | Aborted) and error.retry_after is not None
