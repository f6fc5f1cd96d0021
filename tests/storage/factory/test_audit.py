"""The audit: an entry lives and dies with what it tells of, and nobody changes it afterwards."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from services.common.database import Database
from services.common.ids import uuid7
from services.factory.operations import audit
from services.factory.storage import audit as storage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_an_entry_says_who_did_what_when_and_why(factory_database: Database) -> None:
    tenant, subject = uuid7(), uuid7()
    async with factory_database.transaction() as tx:
        await audit.note(
            tx,
            tenant,
            who="key abc",
            action="dead_letter.discard",
            subject=subject,
            reason="sold out",
            now=NOON,
            details={"kind": "webhook.delivery"},
        )
    async with factory_database.reading() as tx:
        entry, *others = await storage.page(tx, tenant, below=None, limit=10)
        assert await storage.page(tx, uuid7(), below=None, limit=10) == []
    assert others == []
    assert (entry.who, entry.action, entry.subject) == ("key abc", "dead_letter.discard", str(subject))
    assert (entry.reason, entry.created_at, entry.details) == ("sold out", NOON, {"kind": "webhook.delivery"})


async def test_an_act_that_is_rolled_back_leaves_no_entry(factory_database: Database) -> None:
    tenant = uuid7()

    async def act() -> None:
        async with factory_database.transaction() as tx:
            await audit.note(tx, tenant, who="key abc", action="unit.block", subject="1", now=NOON)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await act()
    async with factory_database.reading() as tx:
        assert await storage.page(tx, tenant, below=None, limit=10) == []


@pytest.mark.parametrize("statement", ["UPDATE factory.audit SET who = 'nobody'", "DELETE FROM factory.audit"])
async def test_the_service_cannot_change_or_delete_an_entry(factory_database: Database, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with factory_database.transaction() as tx:
            await tx.connection.execute(text(statement))
