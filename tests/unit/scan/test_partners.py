"""Keys are recognised by their secret, remembered for seconds, and asked about once a group."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from services.common.credentials import Credential, hash_secret, parse_credential
from services.scan.model import KeyFacts
from services.scan.partners import Partners

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD = Credential("abcdefghij012345", "s" * 43)
WRONG = Credential(GOOD.key_id, "x" * 43)
STRANGER = Credential("0000000000000000", "s" * 43)


class Registry:
    """Keys as the registry has them, what was asked of it, and two clocks."""

    def __init__(self) -> None:
        self.keys = {GOOD.key_id: KeyFacts(hash_secret(GOOD.secret), None)}
        self.asked: list[list[str]] = []
        self.today = NOW
        self.seconds = 100.0
        self.partners = Partners(self.load, clock=self, now=lambda: self.seconds)

    async def load(self, key_ids: Sequence[str]) -> dict[str, KeyFacts]:
        self.asked.append(sorted(key_ids))
        return {key_id: self.keys[key_id] for key_id in key_ids if key_id in self.keys}

    def now(self) -> datetime:
        return self.today


async def test_a_key_is_recognised_by_its_secret_alone() -> None:
    registry = Registry()
    found = await registry.partners.recognised([GOOD, None, WRONG, STRANGER])
    assert found == [GOOD.key_id, None, None, None]
    assert (registry.partners.known(GOOD), registry.partners.known(WRONG)) == (True, False)


async def test_the_registry_is_asked_once_for_all_and_again_after_five_seconds() -> None:
    registry = Registry()
    await registry.partners.recognised([GOOD, STRANGER, GOOD])
    await registry.partners.recognised([GOOD, STRANGER])
    assert registry.asked == [[STRANGER.key_id, GOOD.key_id]]
    del registry.keys[GOOD.key_id]  # revoked
    registry.seconds += 4.9
    assert await registry.partners.recognised([GOOD]) == [GOOD.key_id]
    registry.seconds += 0.2
    assert not registry.partners.known(GOOD)
    assert await registry.partners.recognised([GOOD]) == [None]


async def test_a_key_ends_when_it_says() -> None:
    registry = Registry()
    registry.keys[GOOD.key_id] = KeyFacts(hash_secret(GOOD.secret), NOW + timedelta(seconds=1))
    assert await registry.partners.recognised([GOOD]) == [GOOD.key_id]
    registry.today += timedelta(seconds=1)
    assert not registry.partners.known(GOOD)
    assert await registry.partners.recognised([GOOD]) == [None]


async def test_without_keys_the_registry_is_not_asked() -> None:
    registry = Registry()
    assert await registry.partners.recognised([None, None]) == [None, None]
    assert registry.asked == []


def test_the_form_of_a_key() -> None:
    assert parse_credential(str(GOOD)) == GOOD
    for text in ("", "vkt_", str(GOOD)[:-1], f"{GOOD} ", str(GOOD).upper(), "vkt_ABCDEFGHIJ012345_" + "s" * 43):
        assert parse_credential(text) is None
