"""What devices say of themselves is kept in the clear only where the operator says so, and for so long."""

from datetime import UTC, datetime, timedelta

from services.common.clock import SystemClock
from services.scan.app import open_app
from services.scan.jobs import forget_hints
from services.scan.settings import Settings
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from tests.rpc.scan.clients import PHONE, Consumer
from tests.rpc.scan.registry import Registry

KEPT = "SELECT verification_id, address, user_agent, languages FROM scan.device_hints"


async def test_by_default_nothing_is_kept_in_the_clear(consumer: Consumer, registry: Registry) -> None:
    await consumer.scan((await registry.issue()).codes[0])
    assert await registry.sql(KEPT) == []


async def test_an_operator_may_keep_hints_for_some_hours(
    scan_settings: Settings, registry: Registry, database_url: DatabaseUrl
) -> None:
    code = (await registry.issue()).codes[0]
    async with open_app(scan_settings.model_copy(update={"hint_retention_hours": 2})) as server:
        answer = await Consumer(f"127.0.0.1:{server.port}").scan(code)
    [row] = await registry.sql(KEPT)
    assert tuple(map(str, row)) == (answer.verification_id, "198.51.100.7", PHONE, "en")
    async with HeldConnection(dsn=database_url("voketag_scan"), name="worker", timeout_seconds=5) as connection:
        await forget_hints(connection=connection, clock=SystemClock(), kept=timedelta(hours=2))
        assert len(await registry.sql(KEPT)) == 1
        await registry.sql(
            "UPDATE scan.device_hints SET scanned_at = $1", datetime.now(UTC) - timedelta(hours=2, seconds=5)
        )
        await forget_hints(connection=connection, clock=SystemClock(), kept=timedelta(hours=2))
    assert await registry.sql(KEPT) == []
