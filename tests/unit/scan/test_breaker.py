"""The breaker: it opens, it probes, and whatever happens it can close again."""

from hypothesis import given
from hypothesis import strategies as st

from services.scan.breaker import Breaker

REST, PROBE = 0.5, 2.0


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(time: Time, failures: int = 1) -> Breaker:
    return Breaker(part="test", rest_seconds=REST, probe_seconds=PROBE, failures=failures, now=time)


def test_a_failure_opens_it_and_one_probe_closes_it() -> None:
    time = Time()
    it = breaker(time)
    assert it.allows()
    it.failed()
    assert it.refuses
    assert not it.allows()
    time.now += REST
    assert not it.refuses
    assert it.allows(), "the probe"
    assert it.open, "scans do not wait for what the probe finds"
    assert it.refuses
    assert not it.allows(), "one probe at a time"
    it.succeeded()
    assert not it.open
    assert it.allows()
    assert it.allows()


def test_a_probe_that_fails_opens_it_again() -> None:
    time = Time()
    it = breaker(time)
    it.failed()
    time.now += REST
    assert it.allows()
    it.failed()
    assert not it.allows()
    time.now += REST
    assert it.allows()


def test_a_probe_that_never_reports_back_is_given_up() -> None:
    time = Time()
    it = breaker(time)
    it.failed()
    time.now += REST
    assert it.allows()
    time.now += PROBE
    assert it.allows()


def test_a_probe_that_was_abandoned_makes_room_for_the_next() -> None:
    time = Time()
    it = breaker(time)
    it.failed()
    time.now += REST
    assert it.allows()
    it.abandoned()
    assert it.allows()


def test_answers_in_between_forgive_single_failures() -> None:
    time = Time()
    it = breaker(time, failures=3)
    for _ in range(5):
        it.failed()
        it.failed()
        it.succeeded()
        assert it.allows()


EVENTS = st.lists(
    st.sampled_from(["allows", "failed", "succeeded", "abandoned", "wait"]) | st.floats(0, 10), max_size=60
)


@given(EVENTS, st.integers(1, 4))
def test_it_can_always_recover(events: list[object], failures: int) -> None:
    """Whatever came before: once the part answers again, calls pass within the rest and one probe's time."""
    time = Time()
    it = breaker(time, failures)
    for event in events:
        if isinstance(event, float):
            time.now += event
        elif event == "wait":
            time.now += REST
        else:
            getattr(it, str(event))()
    waited = 0.0
    while not it.allows():
        waited += 0.1
        time.now += 0.1
        assert waited <= REST + PROBE + 0.2
    it.succeeded()
    assert it.allows()
    assert not it.refuses
