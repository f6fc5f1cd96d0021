"""How often an address may call."""

import pytest

from services.common.errors import RateLimited
from services.common.rpc.address_limit import AddressLimit
from services.common.rpc.call import Call
from services.common.rpc.methods import methods_of
from voketag.anchor.v1 import anchor_pb2

SERVICE = anchor_pb2.DESCRIPTOR.services_by_name["AnchorService"]
METHODS = {method.python_name: method for method in methods_of(SERVICE)}
LIMITED, FREE = METHODS["verify_batch"], METHODS["get_anchor"]


class Time:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def limit(time: Time, per_minute: int = 6) -> AddressLimit:
    return AddressLimit([LIMITED.name, METHODS["verify_proof"].name], per_minute=per_minute, now=time)


def a_call(address: str = "192.0.2.1") -> Call:
    return Call(method="m", metadata={}, client_address=address, request_id="r")


async def test_a_minutes_share_may_come_at_once_and_one_more_has_to_wait() -> None:
    limited = limit(Time())
    for left in (5, 4, 3, 2, 1, 0):
        call = a_call()
        await limited.before(LIMITED, call)
        assert call.answer_metadata["x-ratelimit-remaining"] == str(left)
        assert "retry-after" not in call.answer_metadata
    call = a_call()
    with pytest.raises(RateLimited) as refused:
        await limited.before(LIMITED, call)
    assert refused.value.retry_after_seconds == pytest.approx(10)
    assert call.answer_metadata == {
        "x-ratelimit-limit": "6",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "60",
        "retry-after": "10",
    }


async def test_who_waits_as_told_may_call_once_more() -> None:
    time = Time()
    limited = limit(time)
    for _ in range(6):
        await limited.before(LIMITED, a_call())
    time.now += 10
    await limited.before(LIMITED, a_call())
    with pytest.raises(RateLimited):
        await limited.before(LIMITED, a_call())


async def test_refused_calls_do_not_push_the_end_away() -> None:
    time = Time()
    limited = limit(time)
    for _ in range(6):
        await limited.before(LIMITED, a_call())
    for _ in range(100):
        with pytest.raises(RateLimited):
            await limited.before(LIMITED, a_call())
    time.now += 10
    await limited.before(LIMITED, a_call())


async def test_methods_share_the_limit_and_others_have_none() -> None:
    limited = limit(Time(), per_minute=2)
    await limited.before(LIMITED, a_call())
    await limited.before(METHODS["verify_proof"], a_call())
    with pytest.raises(RateLimited):
        await limited.before(LIMITED, a_call())
    for _ in range(10):
        await limited.before(FREE, a_call())


async def test_addresses_have_limits_of_their_own_and_an_ipv6_network_has_one() -> None:
    limited = limit(Time(), per_minute=1)
    for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"):
        await limited.before(LIMITED, a_call(address))
    for address in ("192.0.2.1", "::ffff:192.0.2.2", "2001:db8::ffff"):
        with pytest.raises(RateLimited):
            await limited.before(LIMITED, a_call(address))


async def test_zero_is_no_limit() -> None:
    limited = limit(Time(), per_minute=0)
    for _ in range(1000):
        await limited.before(LIMITED, a_call())


async def test_a_flood_from_many_addresses_takes_bounded_memory() -> None:
    limited = limit(Time())
    for number in range(60_000):
        await limited.before(LIMITED, a_call(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
    assert len(limited._empty_at) == 50_000
