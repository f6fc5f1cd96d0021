"""Writes that happen once."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import grpc
import pytest

from services.factory.app import open_app
from services.factory.settings import Settings
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import Partner
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import factory_pb2_grpc, settings_pb2


def an_order(request_id: str, **more: object) -> pb.CreateProductRequest:
    return pb.CreateProductRequest(**{"sku": "A", "name": "A", "request_id": request_id, **more})


@asynccontextmanager
async def held_answer(database_url: DatabaseUrl, request_id: str) -> AsyncIterator[None]:
    """Hold the answer of a CreateProduct in a transaction, as another process would; undo it at the end."""
    connection = await asyncpg.connect(database_url())
    try:
        tenant_id = await connection.fetchval("SELECT tenant_id FROM factory.tenants")
        holder = connection.transaction()
        await holder.start()
        await connection.execute(
            "INSERT INTO factory.idempotency (tenant_id, method, request_id, request_hash, created_at) "
            "VALUES ($1, 'voketag.factory.v1.FactoryService/CreateProduct', $2, '', now())",
            tenant_id,
            request_id,
        )
        yield
        await holder.rollback()
    finally:
        await connection.close()


@asynccontextmanager
async def a_server_process(
    settings: Settings,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run a Factory server in a process of its own; yield it and its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    own = {f"VOKETAG_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.factory", env={**os.environ, **own, "VOKETAG_LISTEN": address}
    )
    try:
        yield process, address
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def waits_for_a_lock(database_url: DatabaseUrl) -> None:
    """Return as soon as somebody waits for a lock in the test's database."""
    connection = await asyncpg.connect(database_url())
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    try:
        for _ in range(600):
            if await connection.fetchval(waiting):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("nobody waits")
    finally:
        await connection.close()


async def skus(client: Client) -> list[str]:
    listed = await client.ListProducts(pb.ListProductsRequest(include_archived=True))
    return [product.sku for product in listed.products]


async def test_a_repeated_request_gets_the_first_answer(factory: Client) -> None:
    request = an_order(str(uuid4()), metadata={"b": "2", "a": "1"})
    first = await factory.CreateProduct(request)
    await factory.UpdateProduct(
        pb.UpdateProductRequest(product_id=first.product_id, product=pb.ProductChange(name="changed since"))
    )
    again = an_order(request.request_id, metadata={"a": "1", "b": "2"})
    assert await factory.CreateProduct(again) == first
    assert await skus(factory) == ["A"]


async def test_the_same_id_with_another_request_is_a_conflict(factory: Client) -> None:
    request_id = str(uuid4())
    await factory.CreateProduct(an_order(request_id))
    refused = await refusal(factory.CreateProduct(an_order(request_id, sku="B")))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_CONFLICT")
    assert await skus(factory) == ["A"]


async def test_the_spelling_of_an_id_makes_no_difference(factory: Client) -> None:
    request_id = str(uuid4())
    first = await factory.CreateProduct(an_order(request_id))
    assert await factory.CreateProduct(an_order(request_id.upper())) == first


async def test_tenants_and_methods_do_not_meet(factory: Client, factory_of_rival: Client) -> None:
    request_id = str(uuid4())
    ours = await factory.CreateProduct(an_order(request_id))
    theirs = await factory_of_rival.CreateProduct(an_order(request_id, name="Theirs"))
    assert theirs.product_id != ours.product_id
    archived = await factory.ArchiveProduct(pb.ArchiveProductRequest(product_id=ours.product_id, request_id=request_id))
    assert archived.archived


async def test_equal_requests_at_once_make_one_product_and_one_answer(factory: Client) -> None:
    request = an_order(str(uuid4()))
    answers = await asyncio.gather(*(factory.CreateProduct(request) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await skus(factory) == ["A"]


async def test_different_requests_of_one_id_at_once_leave_one_winner(factory: Client) -> None:
    request_id = str(uuid4())
    outcomes = await asyncio.gather(
        *(factory.CreateProduct(an_order(request_id, sku=sku)) for sku in "ABCD"), return_exceptions=True
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, pb.Product)]
    assert len(made) == 1
    assert all(o.code() is grpc.StatusCode.ALREADY_EXISTS for o in outcomes if isinstance(o, grpc.aio.AioRpcError))
    assert await skus(factory) == [made[0].sku]


async def test_a_failed_write_is_not_remembered(factory: Client) -> None:
    request_id = str(uuid4())
    taken = await factory.CreateProduct(an_order(""))
    assert (await refusal(factory.CreateProduct(an_order(request_id)))).reason == "DUPLICATE_SKU"
    renamed = an_order(request_id, sku="B")
    assert (await factory.CreateProduct(renamed)).product_id != taken.product_id


async def test_without_an_id_every_request_counts(factory: Client) -> None:
    await factory.CreateProduct(an_order(""))
    assert (await refusal(factory.CreateProduct(an_order("")))).reason == "DUPLICATE_SKU"


async def test_many_equal_requests_at_once_keep_no_connection_from_others(factory: Client) -> None:
    """The pool has ten connections; forty callers that wait for one answer would take all of them."""
    request = an_order(str(uuid4()))
    flood = [asyncio.ensure_future(factory.CreateProduct(request)) for _ in range(40)]
    await asyncio.gather(*(factory.ListProducts(pb.ListProductsRequest(), timeout=5) for _ in range(20)))
    answers = await asyncio.gather(*flood)
    assert all(answer == answers[0] for answer in answers)


async def test_a_request_that_waits_too_long_is_aborted_and_told_when_to_come_back(
    factory_settings: Settings, acme: Partner, database_url: DatabaseUrl
) -> None:
    request = an_order(str(uuid4()))
    hasty = factory_settings.model_copy(update={"write_wait_seconds": 0.5})
    async with open_app(hasty) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as to:
        factory = Client(factory_pb2_grpc.FactoryServiceStub(to), acme.api_key)
        async with held_answer(database_url, request.request_id):
            # The first waits in PostgreSQL for the other process, the second in this process for the first.
            for refused in await asyncio.gather(*(refusal(factory.CreateProduct(request)) for _ in range(2))):
                assert (refused.code, refused.reason) == ("ABORTED", "CONCURRENT_UPDATE")
                assert refused.retry_after_seconds == 0.2
        assert (await factory.CreateProduct(request)).sku == "A"


async def test_a_repeat_is_answered_though_the_write_would_be_refused_by_now(factory: Client) -> None:
    made = await factory.CreateProduct(an_order(""))
    first = pb.UpdateProductRequest(
        product_id=made.product_id, product=pb.ProductChange(name="B"), request_id=str(uuid4())
    )
    answer = await factory.UpdateProduct(first)
    settings = settings_pb2.UpdateSettingsRequest(
        settings=settings_pb2.TenantSettings(version=1, warning_above=30), request_id=str(uuid4())
    )
    changed = await factory.UpdateSettings(settings)
    assert await factory.UpdateProduct(first) == answer
    assert await factory.UpdateSettings(settings) == changed, "version 1 is not the present one any more"


async def test_what_is_done_again_is_undone(factory: Client, product: pb.Product, database_url: DatabaseUrl) -> None:
    """A batch takes numbers of a key and notes an event; a repeat does neither."""
    order = pb.CreateBatchRequest(product_id=product.product_id, quantity=5, request_id=str(uuid4()))
    answers = [await factory.CreateBatch(order) for _ in range(3)]
    assert answers[1:] == answers[:1] * 2
    connection = await asyncpg.connect(database_url())
    numbers = await connection.fetchval("SELECT next_number FROM factory.signing_keys WHERE key_id = 1")
    events = await connection.fetchval("SELECT count(*) FROM factory.outbox WHERE topic = 'batch.created'")
    await connection.close()
    assert (numbers, events) == (5, 1)


async def test_a_server_killed_between_claim_and_answer_blocks_nothing_and_does_nothing_twice(
    factory_settings: Settings, factory: Client, acme: Partner, database_url: DatabaseUrl
) -> None:
    """The write of another server process is stopped in its middle by a lock on the SKU's place, and killed there."""
    request = an_order(str(uuid4()))
    connection = await asyncpg.connect(database_url())
    try:
        holder = connection.transaction()
        await holder.start()
        await connection.execute(
            "INSERT INTO factory.products (product_id, tenant_id, sku, name, created_at, updated_at) "
            "VALUES ($1, $2, 'A', 'in the way', now(), now())",
            uuid4(),
            acme.tenant_id,
        )
        async with a_server_process(factory_settings) as (process, address), grpc.aio.insecure_channel(address) as to:
            doomed = Client(factory_pb2_grpc.FactoryServiceStub(to), acme.api_key)
            flying = asyncio.ensure_future(doomed.CreateProduct(request, wait_for_ready=True))
            await waits_for_a_lock(database_url)
            process.kill()
            with pytest.raises(grpc.aio.AioRpcError):
                await flying
        await holder.rollback()
    finally:
        await connection.close()
    first = await factory.CreateProduct(request)
    assert await factory.CreateProduct(request) == first
    assert await skus(factory) == ["A"]


async def test_a_request_that_waits_becomes_the_first_when_the_one_before_it_fails(
    factory: Client, database_url: DatabaseUrl
) -> None:
    """The holder's transaction is held open by hand, then rolled back, as a killed server's would be."""
    request = an_order(str(uuid4()))
    async with held_answer(database_url, request.request_id):
        waiting = asyncio.ensure_future(factory.CreateProduct(request))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.5)
    assert (await waiting).sku == "A"
