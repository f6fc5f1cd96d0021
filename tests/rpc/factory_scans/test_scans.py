"""A tenant's scans, through Factory and a real Scan."""

import csv
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.caller import Role
from services.common.clock import SystemClock
from services.scan.ledger_key import LedgerKey
from services.scan.model import ScanEvent, Verdict
from services.scan.operations.rollups import Rollups
from services.scan.operations.sequencing import Sequencer
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal, whole
from tests.rpc.conftest import Partner, TokenKeys
from tests.storage.scan.test_sequencing import scan_of
from voketag.factory.v1 import scans_pb2 as pb
from voketag.scan.v1 import history_pb2, history_pb2_grpc, scan_pb2

NOW = datetime.now(UTC).replace(microsecond=250_000)


def scan(tenant_id: UUID, **changes: object) -> ScanEvent:
    usual = scan_of(7)
    made = {field.name: getattr(usual, field.name) for field in fields(usual)}
    return ScanEvent(**made | {"tenant_id": tenant_id, "scanned_at": NOW - timedelta(minutes=1)} | changes)  # type: ignore[arg-type]


@pytest.fixture
async def recorded(connection: HeldConnection, acme: Partner, rival: Partner) -> list[ScanEvent]:
    """Five scans of Acme's units, newest first, and one of Rival's."""
    ours = [
        scan(
            acme.tenant_id,
            unit_id=n,
            scanned_at=NOW - timedelta(minutes=n + 1),
            country="BR" if n % 2 else "PT",
            verdict=Verdict.HIGH_RISK if n == 3 else Verdict.AUTHENTIC,
            duplicate=n == 4,
            degraded=False,
        )
        for n in range(5)
    ]
    await events.record(connection, [*ours, scan(rival.tenant_id)])
    return ours


async def test_a_tenant_lists_its_own_scans_in_pages(factory: Client, recorded: list[ScanEvent]) -> None:
    listed, token = [], ""
    for _ in range(3):
        page = await factory.ListScans(pb.ListScansRequest(page_size=2, page_token=token))
        listed += page.scans
        token = page.next_page_token
    assert not token
    assert [each.verification_id for each in listed] == [str(each.verification_id) for each in recorded]
    first, made = listed[0], recorded[0]
    assert (first.unit_id, first.country, first.verdict) == (0, "PT", scan_pb2.VERDICT_AUTHENTIC)
    assert (first.batch_id, first.product_id) == (str(made.batch_id), str(made.product_id))
    assert first.scanned_at.ToDatetime(UTC) == made.scanned_at
    assert first.risk_factors == ["rapid_scans", "high_frequency"]


async def test_filters_come_through(factory: Client, recorded: list[ScanEvent]) -> None:
    since = Timestamp()
    since.FromDatetime(recorded[1].scanned_at)
    for wanted, units in (
        ({"batch_id": str(recorded[2].batch_id)}, [2]),
        ({"product_id": str(recorded[1].product_id)}, [1]),
        ({"country": "BR"}, [1, 3]),
        ({"verdict": scan_pb2.VERDICT_HIGH_RISK}, [3]),
        ({"duplicates_only": True}, [4]),
        ({"from_time": since}, [0, 1]),
        ({"to_time": since}, [2, 3, 4]),
    ):
        page = await factory.ListScans(pb.ListScansRequest(**wanted))
        assert [each.unit_id for each in page.scans] == units


async def test_an_export_has_every_scan_as_csv(factory: Client, recorded: list[ScanEvent]) -> None:
    parts = await whole(factory.ExportScans(pb.ExportScansRequest(country="PT")))
    assert {part.content_type for part in parts} == {"text/csv; charset=utf-8"}
    text = b"".join(part.data for part in parts).decode()
    assert text.count("\r\n") == 4
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert [row["verification_id"] for row in rows] == [str(recorded[n].verification_id) for n in (0, 2, 4)]
    assert rows[2] == {
        "verification_id": str(recorded[4].verification_id),
        "scanned_at": recorded[4].scanned_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "unit_id": "4",
        "batch_id": str(recorded[4].batch_id),
        "product_id": str(recorded[4].product_id),
        "verdict": "AUTHENTIC",
        "risk_score": "65",
        "risk_factors": "rapid_scans high_frequency",
        "country": "PT",
        "duplicate": "true",
        "degraded": "false",
    }


async def test_analytics_are_of_the_tenants_own_scans(
    factory: Client, recorded: list[ScanEvent], connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    leader = await asyncpg.connect(database_url("voketag_scan"))
    key = LedgerKey(Ed25519PrivateKey.generate(), origin="test.example/ledger")
    await Sequencer(database_url="", key=key, clock=SystemClock()).add_new(leader)
    await leader.close()
    await Rollups(connection=connection, clock=SystemClock()).add_new()
    for interval in (history_pb2.SUMMARY_INTERVAL_HOUR, history_pb2.SUMMARY_INTERVAL_UNSPECIFIED):
        said = await factory.GetAnalytics(pb.GetAnalyticsRequest(interval=interval))
        assert (said.scans, said.duplicates) == (5, 1)
        assert [(each.country, each.scans) for each in said.countries] == [("PT", 3), ("BR", 2)]
        assert [(each.verdict, each.scans) for each in said.verdicts] == [
            (scan_pb2.VERDICT_AUTHENTIC, 4),
            (scan_pb2.VERDICT_HIGH_RISK, 1),
        ]
        assert sum(each.scans for each in said.trend) == 5
        assert [(each.unit_id, each.risk_score, each.scans) for each in said.top_units] == [(3, 65, 1)]
        assert said.HasField("counted_until")
    assert (await factory.GetAnalytics(pb.GetAnalyticsRequest(batch_id=str(uuid4())))).scans == 0


async def test_what_scan_refuses_reaches_the_caller_with_its_reason(factory: Client, recorded: list[ScanEvent]) -> None:
    refused = await refusal(factory.ListScans(pb.ListScansRequest(page_token="bm9uZQ")))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
    asked = pb.GetAnalyticsRequest(from_time=Timestamp(seconds=2_000_000_000))
    assert (await refusal(factory.GetAnalytics(asked))).reason == "INVALID_ARGUMENT"
    assert (await refusal(factory.ListScans(pb.ListScansRequest(country="br")))).fields == ["country"]


async def test_scans_need_their_scope(
    factory_as: Callable[..., Client], make_partner: Callable[..., object], token_keys: TokenKeys
) -> None:
    narrow = await make_partner("Narrow", scopes=frozenset({"batches:read"}))
    for call in (
        factory_as(narrow.api_key).ListScans(pb.ListScansRequest()),
        factory_as(narrow.api_key).GetAnalytics(pb.GetAnalyticsRequest()),
        whole(factory_as(narrow.api_key).ExportScans(pb.ExportScansRequest())),
    ):
        assert (await refusal(call)).metadata == {"scope": "scans:read"}
    viewer = factory_as(token_keys.user(role=Role.VIEWER, tenant_id=narrow.tenant_id))
    assert not (await viewer.ListScans(pb.ListScansRequest())).scans


async def test_nobody_but_services_asks_scan_for_a_tenants_scans(
    scan_server: str, acme: Partner, token_keys: TokenKeys
) -> None:
    async with grpc.aio.insecure_channel(scan_server) as channel:
        stub = history_pb2_grpc.ScanHistoryServiceStub(channel)
        asked = history_pb2.ListScanRecordsRequest(tenant_id=str(acme.tenant_id))
        user = token_keys.user(role=Role.SUPER_ADMIN, tenant_id=None)
        anchor = token_keys.service("anchor", audience="scan")
        factory = token_keys.service("factory", audience="scan")
        assert (await refusal(Client(stub).ListScanRecords(asked))).code == "UNAUTHENTICATED"
        assert (await refusal(Client(stub, user).ListScanRecords(asked))).code == "PERMISSION_DENIED"
        assert (await refusal(Client(stub, anchor).ListScanRecords(asked))).code == "PERMISSION_DENIED"
        assert not (await Client(stub, factory).ListScanRecords(asked)).scans
