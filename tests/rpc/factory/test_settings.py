"""A tenant's settings: typed, versioned, and nobody else's."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from google.api import httpbody_pb2

from tests.rpc.calls import Client, refusal
from tests.rpc.factory.conftest import IssueBatch
from voketag.factory.v1 import factory_pb2, imports_pb2, settings_pb2, unit_events_pb2, webhooks_pb2


def change(*paths: str, request_id: str = "", **settings: object) -> settings_pb2.UpdateSettingsRequest:
    request = settings_pb2.UpdateSettingsRequest(
        settings=settings_pb2.TenantSettings(**settings), request_id=request_id
    )
    request.update_mask.paths.extend(paths)
    return request


async def test_a_tenant_begins_with_the_defaults(factory: Client) -> None:
    settings = await factory.GetSettings(settings_pb2.GetSettingsRequest())
    assert (settings.version, settings.warning_above, settings.high_risk_above) == (1, 40, 70)
    assert (settings.verification_base_url, settings.sandbox) == ("https://acme.example", False)


async def test_a_change_is_a_new_version_and_the_old_one_stays_to_be_seen(factory: Client) -> None:
    first = await factory.UpdateSettings(change(warning_above=30, languages=["pt-BR", "en"]))
    second = await factory.UpdateSettings(change("warning_above", "disabled_factors", disabled_factors=["rapid_scans"]))
    assert (first.version, first.warning_above, list(first.languages)) == (2, 30, ["pt-BR", "en"])
    assert (second.version, second.warning_above, list(second.disabled_factors)) == (3, 0, ["rapid_scans"])
    assert second.updated_by.startswith("key ")
    pages = [await factory.ListSettingsVersions(settings_pb2.ListSettingsVersionsRequest(page_size=2))]
    pages.append(
        await factory.ListSettingsVersions(
            settings_pb2.ListSettingsVersionsRequest(page_size=2, page_token=pages[0].next_page_token)
        )
    )
    assert [[each.version for each in page.versions] for page in pages] == [[3, 2], [1]]
    assert (pages[1].versions[0].warning_above, pages[1].versions[0].updated_by) == (40, "operator")
    assert not pages[1].next_page_token


async def test_a_change_to_what_is_there_makes_no_version(factory: Client) -> None:
    assert (await factory.UpdateSettings(change(warning_above=40))).version == 1


async def test_whoever_saw_an_older_version_is_told(factory: Client) -> None:
    await factory.UpdateSettings(change(version=1, warning_above=30))
    answer = await refusal(factory.UpdateSettings(change(version=1, warning_above=35)))
    assert (answer.code, answer.reason) == ("ABORTED", "CONCURRENT_UPDATE")


@pytest.mark.parametrize(
    "wrong",
    [
        {"warning_above": 80},
        {"warning_above": 101},
        {"high_risk_above": 10},
        {"languages": ["fr"]},
        {"disabled_factors": ["Not A Name"]},
        {"disabled_factors": ["country_missmatch"]},
        {"verification_base_url": "ftp://acme.example"},
        {"verification_base_url": "https://acme.example/"},
        {"verification_base_url": "https://acme.example/a b"},
        {"verification_base_url": "https://acme.example/../b"},
        {"verification_base_url": "https://acme..example"},
        {"verification_base_url": "https://acme.example:65536"},
        {"verification_base_url": "https://-"},
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_refused(factory: Client, wrong: dict[str, object]) -> None:
    assert (await refusal(factory.UpdateSettings(change(**wrong)))).code == "INVALID_ARGUMENT"
    assert (await factory.GetSettings(settings_pb2.GetSettingsRequest())).version == 1


async def test_an_unknown_name_in_the_mask_is_refused(factory: Client) -> None:
    assert (await refusal(factory.UpdateSettings(change("version")))).code == "INVALID_ARGUMENT"


async def test_settings_are_a_tenants_own(factory: Client, factory_of_rival: Client) -> None:
    await factory.UpdateSettings(change(warning_above=10))
    assert (await factory_of_rival.GetSettings(settings_pb2.GetSettingsRequest())).warning_above == 40


async def test_a_new_base_url_is_what_is_printed_from_then_on(factory: Client, issue_batch: IssueBatch) -> None:
    units = factory_pb2.ListUnitsRequest(batch_id=await issue_batch(1))
    [before] = (await factory.ListUnits(units)).units
    changed = await factory.UpdateSettings(change(verification_base_url="https://v.acme.example/check"))
    assert changed.verification_base_url == "https://v.acme.example/check"
    [after] = (await factory.ListUnits(units)).units
    assert after.url == f"https://v.acme.example/check/r/{before.code}" != before.url


async def test_a_tenant_of_nfc_tags_gets_their_content_unless_it_asks_for_an_image(
    factory: Client, issue_batch: IssueBatch
) -> None:
    code = factory_pb2.RenderCodeRequest(batch_id=await issue_batch(1))
    assert (await factory.RenderCode(code)).content_type == "image/svg+xml"
    changed = await factory.UpdateSettings(change(default_tag_type=settings_pb2.TAG_TYPE_NFC))
    assert changed.default_tag_type == settings_pb2.TAG_TYPE_NFC
    [unit] = (await factory.ListUnits(factory_pb2.ListUnitsRequest(batch_id=code.batch_id))).units
    tag = await factory.RenderCode(code)
    assert tag.content_type == "application/octet-stream"
    assert tag.data[:5] == bytes([0xD1, 1, len(unit.url) - 8 + 1, ord("U"), 4])
    assert tag.data[5:].decode() == unit.url.removeprefix("https://")
    code.format = "svg"
    assert (await factory.RenderCode(code)).content_type == "image/svg+xml"
    versions = (await factory.ListSettingsVersions(settings_pb2.ListSettingsVersionsRequest())).versions
    assert [v.default_tag_type for v in versions] == [settings_pb2.TAG_TYPE_NFC, settings_pb2.TAG_TYPE_QR]


async def test_an_endpoint_that_names_no_events_gets_the_usual_ones(factory: Client) -> None:
    changed = await factory.UpdateSettings(change(default_webhook_events=["key.expiring", "batch.completed"]))
    assert changed.default_webhook_events == ["batch.completed", "key.expiring"]
    request = webhooks_pb2.CreateWebhookEndpointRequest(url="http://127.0.0.1:9/hook")
    made = await factory.CreateWebhookEndpoint(request)
    assert made.endpoint.events == ["batch.completed", "key.expiring"]
    request.events.append("batch.failed")
    assert (await factory.CreateWebhookEndpoint(request)).endpoint.events == ["batch.failed"]
    refused = await refusal(factory.UpdateSettings(change(default_webhook_events=["batch.lost"])))
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["settings.default_webhook_events"])
    await factory.UpdateSettings(change("default_webhook_events"))
    del request.events[:]
    assert not (await factory.CreateWebhookEndpoint(request)).endpoint.events


async def test_a_sandbox_batch_is_small_and_marked(factory: Client) -> None:
    await factory.UpdateSettings(change(sandbox=True))
    product = await factory.CreateProduct(factory_pb2.CreateProductRequest(sku="A-1", name="Oil"))
    order = factory_pb2.CreateBatchRequest(product_id=product.product_id, quantity=1001)
    answer = await refusal(factory.CreateBatch(order))
    assert (answer.code, answer.reason) == ("FAILED_PRECONDITION", "SANDBOX_LIMIT")
    order.quantity = 1000
    assert (await factory.CreateBatch(order)).sandbox
    await factory.UpdateSettings(change("sandbox", sandbox=False))
    assert not (await factory.CreateBatch(order)).sandbox


async def test_a_file_of_a_sandbox_is_as_small(factory: Client, sql) -> None:
    await factory.UpdateSettings(change(sandbox=True))
    product = await factory.CreateProduct(factory_pb2.CreateProductRequest(sku="A-1", name="Oil"))
    rows = "".join(f"S-{number}\r\n" for number in range(1001))
    file = httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=f"serial\r\n{rows}".encode())
    request = imports_pb2.ImportUnitsCsvRequest(product_id=product.product_id, file=file)
    answer = await refusal(factory.ImportUnitsCsv(request))
    assert (answer.code, answer.reason) == ("FAILED_PRECONDITION", "SANDBOX_LIMIT")
    assert await sql("SELECT count(*) FROM factory.serials") == 0
    file.data = file.data.rpartition(b"S-1000")[0]
    request.file.CopyFrom(file)
    batch = await factory.ImportUnitsCsv(request)
    assert (batch.quantity, batch.sandbox) == (1000, True)


async def test_scans_events_are_taken_once(factory_as: Callable[..., Client], token_keys, acme, database_url) -> None:
    import asyncpg

    scan = factory_as(token_keys.service("scan", audience="factory"))
    event = unit_events_pb2.UnitEvent(
        event_id=str(uuid4()),
        kind=unit_events_pb2.UNIT_EVENT_KIND_REPORTED,
        tenant_id=str(acme.tenant_id),
        unit_id=7,
        batch_id=str(uuid4()),
        details={"reason": "counterfeit"},
    )
    event.occurred_at.GetCurrentTime()
    for _ in range(2):
        await scan.NoteUnitEvents(unit_events_pb2.NoteUnitEventsRequest(events=[event]))
    connection = await asyncpg.connect(database_url())
    rows = await connection.fetch("SELECT topic, payload->>'reason' AS reason FROM factory.outbox")
    await connection.close()
    assert [tuple(row) for row in rows] == [("unit.reported", "counterfeit")]
