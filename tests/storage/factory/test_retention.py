"""What is forgotten, and what is kept."""

from datetime import UTC, datetime, timedelta

from services.common.database import Database
from services.common.ids import uuid7
from services.factory.operations.retention import Retention
from services.factory.storage import idempotency
from services.factory.storage.idempotency import WriteKey

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StoppedClock:
    """Noon, for ever."""

    def now(self) -> datetime:
        return NOON


async def test_answers_are_remembered_for_a_day_and_then_forgotten(factory_database: Database) -> None:
    old, young = (WriteKey(uuid7(), "CreateProduct", uuid7()) for _ in range(2))
    async with factory_database.transaction() as tx:
        for key, age in ((old, timedelta(hours=24, seconds=1)), (young, timedelta(hours=23, minutes=59))):
            assert await idempotency.keep(tx, key, request_hash=b"hash", response=b"answer", now=NOON - age)
    await Retention(database=factory_database, clock=StoppedClock()).forget_answers()
    async with factory_database.transaction() as tx:
        assert await idempotency.first_answer(tx, old) is None
        kept = await idempotency.first_answer(tx, young)
    assert kept is not None
    assert kept.response == b"answer"
