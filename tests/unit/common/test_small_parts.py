"""Ids, page tokens and log redaction."""

import time
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest

from services.common.errors import InvalidPageToken
from services.common.ids import Uuid7, uuid7, uuid7_at
from services.common.logs import redact
from services.common.paging import decode_token, encode_token, page_size


def test_ids_are_version_7_and_carry_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= after


def test_ids_rise_within_a_millisecond() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_rise_while_the_clock_stands_still_or_is_set_back() -> None:
    times = iter([5_000_000, 5_000_000, 2_000_000, 2_000_001, 9_000_000])
    make = Uuid7(lambda: next(times))
    made = [make() for _ in range(5)]
    assert made == sorted(set(made))
    assert [one.int >> 80 for one in made] == [5, 5, 5, 5, 9]
    assert {one.version for one in made} == {7}


def test_an_id_of_a_moment_carries_that_moment() -> None:
    made = {uuid7_at(datetime(2001, 9, 9, 1, 46, 40, 123_999, tzinfo=UTC)) for _ in range(1000)}
    assert len(made) == 1000
    assert {one.int >> 80 for one in made} == {1_000_000_000_123}
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000)])
def test_page_sizes_are_coerced(asked: int, given: int) -> None:
    assert page_size(asked) == given


def test_a_page_token_gives_its_position_back() -> None:
    assert decode_token(encode_token("x", 5), str, int) == ("x", 5)
    assert decode_token("", str) is None


def test_a_text_in_any_script_takes_few_bytes_of_a_token() -> None:
    longest = "\U0001f600" * 255
    assert decode_token(encode_token("name desc", longest), str, str) == ("name desc", longest)
    assert len(encode_token("name desc", longest)) < 1500


HALF_A_PAIR = "WyJcdWQ4MDAiXQ"  # ["\ud800"]
DEEP = urlsafe_b64encode(b"[" * 3_000).decode()  # as much as the contract takes


@pytest.mark.parametrize(
    "token",
    ["?", "e30", "WzFd", encode_token("x", "y"), encode_token(), HALF_A_PAIR, DEEP],
    ids=lambda token: token[:9],
)
def test_a_token_of_another_listing_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken):
        decode_token(token, str)


def test_logs_keep_no_secrets_and_no_codes() -> None:
    event = {"event": "login", "password": "p", "access_token": "t", "code": "AAGX", "batch_id": "b"}
    assert redact(None, "info", dict(event)) == {
        "event": "login",
        "password": "[redacted]",
        "access_token": "[redacted]",
        "code": "[redacted]",
        "batch_id": "b",
    }
