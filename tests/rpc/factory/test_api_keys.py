"""The life of an API key."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.caller import Role
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import Partner, TokenKeys
from voketag.factory.v1 import batch_control_pb2, imports_pb2
from voketag.factory.v1 import factory_pb2 as pb

Connect = Callable[..., Client]
LIST = pb.ListProductsRequest()
REFUSED = ("UNAUTHENTICATED", "UNAUTHENTICATED")


def a_key(*scopes: str, **more: object) -> pb.CreateApiKeyRequest:
    return pb.CreateApiKeyRequest(**{"name": "line 3", "scopes": scopes or ["products:read"], **more})


def in_seconds(seconds: float) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return moment


async def is_refused(client: Client) -> tuple[str, str]:
    refused = await refusal(client.ListProducts(LIST))
    return refused.code, refused.reason


async def refused_within(seconds: float, client: Client) -> bool:
    """Call until the key is refused; False when it still works after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while loop.time() < deadline:
        try:
            await client.ListProducts(LIST)
        except Exception:
            return await is_refused(client) == REFUSED
        await asyncio.sleep(0.02)
    return False


async def test_a_key_works_within_its_scopes_and_no_further(factory: Client, factory_as: Connect) -> None:
    made = await factory.CreateApiKey(a_key("products:read"))
    assert made.secret.startswith(f"vkt_{made.api_key.key_id}_")
    reader = factory_as(made.secret)
    await reader.ListProducts(LIST)
    refused = await refusal(reader.CreateProduct(pb.CreateProductRequest(sku="A", name="A")))
    assert (refused.code, refused.reason, refused.metadata) == (
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
        {"scope": "products:write"},
    )


async def test_the_secret_is_nowhere_in_the_database(factory: Client, acme: Partner, database_url: DatabaseUrl) -> None:
    request = a_key(request_id=str(uuid4()))
    secret = (await factory.CreateApiKey(request)).secret.rpartition("_")[2].encode()
    connection = await asyncpg.connect(database_url())
    try:
        rows = await connection.fetch("SELECT k::text AS stored FROM factory.api_keys k")
        answers = await connection.fetch("SELECT response FROM factory.idempotency")
    finally:
        await connection.close()
    assert len(rows) == 2
    assert len(answers) == 1
    assert all(secret not in row["stored"].encode() for row in rows)
    assert secret not in answers[0]["response"]


@pytest.mark.parametrize("method", ["CreateApiKey", "RotateApiKey"])
async def test_a_replay_returns_the_key_without_its_secret(factory: Client, method: str) -> None:
    request = a_key(request_id=str(uuid4()))
    if method == "RotateApiKey":
        old = await factory.CreateApiKey(a_key())
        request = pb.RotateApiKeyRequest(key_id=old.api_key.key_id, request_id=str(uuid4()))
    first = await getattr(factory, method)(request)
    second = await getattr(factory, method)(request)
    assert first.secret
    assert not second.secret
    assert second.api_key == first.api_key


async def test_a_caller_grants_no_scope_that_it_lacks(factory: Client, factory_as: Connect) -> None:
    maker = factory_as((await factory.CreateApiKey(a_key("api-keys:write", "products:read"))).secret)
    refused = await refusal(maker.CreateApiKey(a_key("products:read", "products:write")))
    assert (refused.code, refused.metadata) == ("PERMISSION_DENIED", {"scope": "products:write"})
    await maker.CreateApiKey(a_key("products:read"))


async def test_rotating_a_wider_key_gives_no_scope_that_the_caller_lacks(factory: Client, factory_as: Connect) -> None:
    wide = await factory.CreateApiKey(a_key("products:write"))
    maker = factory_as((await factory.CreateApiKey(a_key("api-keys:write"))).secret)
    refused = await refusal(maker.RotateApiKey(pb.RotateApiKeyRequest(key_id=wide.api_key.key_id)))
    assert (refused.code, refused.metadata) == ("PERMISSION_DENIED", {"scope": "products:write"})


async def test_a_scope_that_does_not_exist_is_refused(factory: Client) -> None:
    refused = await refusal(factory.CreateApiKey(a_key("anchors:write")))
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["scopes"])


async def test_a_revoked_key_is_refused_within_a_second(factory: Client, factory_as: Connect) -> None:
    made = await factory.CreateApiKey(a_key())
    used = factory_as(made.secret)
    await used.ListProducts(LIST)
    revoked = await factory.RevokeApiKey(pb.RevokeApiKeyRequest(key_id=made.api_key.key_id))
    assert revoked.HasField("revoked_at")
    assert await refused_within(1.0, used)
    again = await factory.RevokeApiKey(pb.RevokeApiKeyRequest(key_id=made.api_key.key_id))
    assert again.revoked_at == revoked.revoked_at


async def test_a_rotated_key_and_its_successor_both_work_during_the_overlap(
    factory: Client, factory_as: Connect
) -> None:
    old = await factory.CreateApiKey(a_key("products:read", "units:read"))
    new = await factory.RotateApiKey(pb.RotateApiKeyRequest(key_id=old.api_key.key_id, overlap_seconds=2))
    assert new.api_key.key_id != old.api_key.key_id
    assert (new.api_key.name, new.api_key.scopes) == (old.api_key.name, old.api_key.scopes)
    assert not new.api_key.HasField("expires_at")
    await factory_as(new.secret).ListProducts(LIST)
    await factory_as(old.secret).ListProducts(LIST)
    assert await refused_within(3.0, factory_as(old.secret))
    await factory_as(new.secret).ListProducts(LIST)


async def test_a_key_that_was_rotated_is_not_rotated_again_and_its_successor_is_named(factory: Client) -> None:
    """A successor made during the overlap would end with the old key, and whoever asked twice would not notice."""
    old = await factory.CreateApiKey(a_key())
    rotate = pb.RotateApiKeyRequest(key_id=old.api_key.key_id, overlap_seconds=60)
    rotated = await asyncio.gather(*(factory.RotateApiKey(rotate) for _ in range(5)), return_exceptions=True)
    [new] = [each for each in rotated if not isinstance(each, BaseException)]
    again = await refusal(factory.RotateApiKey(rotate))
    assert (again.code, again.fields) == ("INVALID_ARGUMENT", ["key_id"])
    assert new.api_key.key_id in again.message
    rotate.key_id = new.api_key.key_id
    assert not (await factory.RotateApiKey(rotate)).api_key.HasField("expires_at")


async def test_without_an_overlap_the_old_key_stops_at_once(factory: Client, factory_as: Connect) -> None:
    old = await factory.CreateApiKey(a_key())
    await factory.RotateApiKey(pb.RotateApiKeyRequest(key_id=old.api_key.key_id))
    assert await is_refused(factory_as(old.secret)) == REFUSED
    again = await refusal(factory.RotateApiKey(pb.RotateApiKeyRequest(key_id=old.api_key.key_id)))
    assert (again.code, again.fields) == ("INVALID_ARGUMENT", ["key_id"])


async def test_a_key_expires(factory: Client, factory_as: Connect) -> None:
    made = await factory.CreateApiKey(a_key(expires_at=in_seconds(1)))
    await factory_as(made.secret).ListProducts(LIST)
    assert await refused_within(2.0, factory_as(made.secret))


async def test_a_revoked_key_sees_no_more_of_a_batch_that_it_watches(
    factory: Client, factory_as: Connect, product: pb.Product
) -> None:
    batch = await factory.CreateBatch(pb.CreateBatchRequest(product_id=product.product_id, quantity=5))
    made = await factory.CreateApiKey(a_key("batches:read"))
    watch = factory_as(made.secret).WatchBatch(pb.WatchBatchRequest(batch_id=batch.batch_id))
    assert not (await watch.read()).paused
    pause = batch_control_pb2.PauseBatchRequest(batch_id=batch.batch_id)
    await factory.PauseBatch(pause)
    assert (await watch.read()).paused
    await factory.RevokeApiKey(pb.RevokeApiKeyRequest(key_id=made.api_key.key_id))
    await asyncio.sleep(1)
    await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    assert (await refusal(watch.read())).reason == "UNAUTHENTICATED"


async def test_a_key_that_is_revoked_while_it_sends_a_file_orders_nothing(
    factory: Client, factory_as: Connect, product: pb.Product
) -> None:
    made = await factory.CreateApiKey(a_key("batches:write"))

    async def file() -> AsyncIterator[imports_pb2.ImportUnitsRequest]:
        yield imports_pb2.ImportUnitsRequest(order=imports_pb2.ImportOrder(product_id=product.product_id))
        yield imports_pb2.ImportUnitsRequest(chunk=b"serial\n")
        await factory.RevokeApiKey(pb.RevokeApiKeyRequest(key_id=made.api_key.key_id))
        await asyncio.sleep(1)
        yield imports_pb2.ImportUnitsRequest(chunk=b"A-1\n")

    assert (await refusal(factory_as(made.secret).ImportUnits(file()))).reason == "UNAUTHENTICATED"
    assert not (await factory.ListBatches(pb.ListBatchesRequest())).batches


@pytest.mark.parametrize("expires_at", [in_seconds(-60), Timestamp(seconds=10**15), Timestamp(nanos=-1)])
async def test_an_expiry_must_be_a_time_in_the_future(factory: Client, expires_at: Timestamp) -> None:
    refused = await refusal(factory.CreateApiKey(a_key(expires_at=expires_at)))
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["expires_at"])


@pytest.mark.parametrize(
    ("allowed", "stored"),
    [
        (["127.0.0.1"], ["127.0.0.1"]),
        (
            ["2001:db8::/32", "127.0.0.0/8", "127.0.0.0/8".replace("0/8", "0/9")],
            ["127.0.0.0/8", "127.0.0.0/9", "2001:db8::/32"],
        ),
        (["127.0.0.1/32"], ["127.0.0.1"]),
        (
            ["::ffff:127.0.0.0/104", "::ffff:203.0.113.7"],
            ["127.0.0.0/8", "203.0.113.7"],
        ),  # as dual-stack hosts write it
    ],
)
async def test_a_key_works_from_the_addresses_that_it_allows(
    factory: Client, factory_as: Connect, allowed: list[str], stored: list[str]
) -> None:
    made = await factory.CreateApiKey(a_key(allowed_sources=allowed))
    assert made.api_key.allowed_sources == stored
    await factory_as(made.secret).ListProducts(LIST)


async def test_a_key_is_refused_from_elsewhere_and_the_partner_is_told_why(
    factory: Client, factory_as: Connect
) -> None:
    made = await factory.CreateApiKey(a_key(allowed_sources=["203.0.113.0/24", "2001:db8::/32"]))
    refused = await refusal(factory_as(made.secret).ListProducts(LIST))
    assert (refused.code, refused.reason, refused.metadata) == (
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
        {"client_address": "127.0.0.1"},
    )
    wrong = made.secret[:-1] + ("A" if made.secret[-1] != "A" else "B")
    assert await is_refused(factory_as(wrong)) == REFUSED, "whoever lacks the secret learns nothing of the sources"


async def test_the_address_that_counts_is_the_one_that_the_edge_saw(factory: Client, factory_as: Connect) -> None:
    made = await factory.CreateApiKey(a_key(allowed_sources=["203.0.113.0/24"]))
    credential = ("authorization", f"Bearer {made.secret}")
    for address, works in (("203.0.113.9", True), ("::ffff:203.0.113.9", True), ("203.0.114.9", False), ("", False)):
        call = factory_as("").ListProducts(LIST, metadata=(credential, ("x-client-address", address)))
        if works:
            await call
        else:
            assert (await refusal(call)).code == "PERMISSION_DENIED"


@pytest.mark.parametrize("source", ["localhost", "203.0.113.7/24", "203.0.113.0/33", "1.2.3", "*"])
async def test_a_source_that_is_no_network_is_refused(factory: Client, source: str) -> None:
    refused = await refusal(factory.CreateApiKey(a_key(allowed_sources=["203.0.113.0/24", source])))
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["allowed_sources"])


async def test_a_rotated_key_keeps_its_sources_and_its_expiry(factory: Client, factory_as: Connect) -> None:
    old = await factory.CreateApiKey(a_key(allowed_sources=["203.0.113.0/24"], expires_at=in_seconds(3600)))
    new = await factory.RotateApiKey(pb.RotateApiKeyRequest(key_id=old.api_key.key_id))
    assert new.api_key.allowed_sources == ["203.0.113.0/24"]
    assert new.api_key.expires_at == old.api_key.expires_at
    assert (await refusal(factory_as(new.secret).ListProducts(LIST))).code == "PERMISSION_DENIED"


async def test_the_last_use_of_a_key_is_listed_soon_after(factory: Client, factory_as: Connect) -> None:
    made = await factory.CreateApiKey(a_key())
    assert not made.api_key.HasField("last_used_at")
    before = in_seconds(0)
    await factory_as(made.secret).ListProducts(LIST)
    for _ in range(100):
        listed = (await factory.ListApiKeys(pb.ListApiKeysRequest())).api_keys
        key = next(key for key in listed if key.key_id == made.api_key.key_id)
        if key.HasField("last_used_at"):
            break
        await asyncio.sleep(0.05)
    assert key.last_used_at.ToNanoseconds() >= before.ToNanoseconds()


async def test_pages_hold_every_key_once_newest_first(factory: Client) -> None:
    made = [(await factory.CreateApiKey(a_key(name=str(number)))).api_key.key_id for number in range(4)]
    listed, token = [], ""
    for _ in range(3):
        page = await factory.ListApiKeys(pb.ListApiKeysRequest(page_size=2, page_token=token))
        listed += [key.key_id for key in page.api_keys]
        token = page.next_page_token
    assert listed[:4] == made[::-1]
    assert len(listed) == 5, "and the tenant's first key"
    assert not token


async def test_a_person_of_the_tenant_works_with_an_access_token(
    factory_as: Connect, acme: Partner, token_keys: TokenKeys
) -> None:
    admin = factory_as(token_keys.user(role=Role.ADMIN, tenant_id=acme.tenant_id))
    await admin.CreateApiKey(a_key("products:write"))
    viewer = factory_as(token_keys.user(role=Role.VIEWER, tenant_id=acme.tenant_id))
    await viewer.ListProducts(LIST)
    assert (await refusal(viewer.CreateApiKey(a_key()))).code == "PERMISSION_DENIED"


async def test_an_operator_without_a_tenant_is_told_so(factory_as: Connect, token_keys: TokenKeys) -> None:
    operator = factory_as(token_keys.user(role=Role.SUPER_ADMIN, tenant_id=None))
    refused = await refusal(operator.ListProducts(LIST))
    assert (refused.code, "tenant" in refused.message) == ("PERMISSION_DENIED", True)
