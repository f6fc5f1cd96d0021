"""What is tried again, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voketag_sdk import RetryPolicy, errors
from voketag_sdk.retry import worth_repeating


@given(st.integers(1, 10_000), st.one_of(st.none(), st.floats(0, 60)))
def test_a_delay_is_at_least_what_the_platform_asked_for_and_bounded(failures: int, asked: float | None) -> None:
    policy = RetryPolicy(initial_seconds=0.1, max_seconds=5)
    delay = policy.delay(failures, errors.Unavailable("down", retry_after=asked))
    ceiling = min(5.0, 0.1 * 2.0 ** min(failures - 1, 1000))
    assert (asked or 0) <= delay <= (asked or 0) + ceiling


def test_delays_differ_so_that_clients_do_not_come_back_together() -> None:
    assert len({RetryPolicy().delay(5, errors.Unavailable("down")) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (errors.Unavailable("down"), True),
        (errors.ChainUnavailable("down"), True),
        (errors.RateLimited("slow down", retry_after=1), True),
        (errors.ConcurrentUpdate("lost", retry_after=0.2), True),
        (errors.RateLimited("slow down"), False),
        (errors.RequestTooLarge("too large"), False),
        (errors.ReceiptNotReady("wait", retry_after=5), False),
        (errors.DeadlineExceeded("late"), False),
        (errors.InternalError("fault"), False),
        (errors.InvalidArgument("wrong"), False),
    ],
)
def test_only_what_may_succeed_unchanged_is_tried_again(error: errors.VokeTagError, again: bool) -> None:
    assert worth_repeating(error) is again


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"initial_seconds": 0.0}, {"max_seconds": 0.01}])
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="retry policy"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
