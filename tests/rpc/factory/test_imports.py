"""Files of units over gRPC: taken whole or not at all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.api import httpbody_pb2

from services.common.ids import uuid7
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import Partner
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import imports_pb2

CSV = b"serial,colour\r\nA-1,red\r\nA-2,blue\r\nA-3,\r\n"


def csv(product: pb.Product, data: bytes = CSV, **more: Any) -> imports_pb2.ImportUnitsCsvRequest:
    """A file that comes whole."""
    file = httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=data)
    return imports_pb2.ImportUnitsCsvRequest(product_id=product.product_id, file=file, **more)


async def stream(
    product: pb.Product, pieces: Iterable[bytes] = (CSV,), **more: Any
) -> AsyncIterator[imports_pb2.ImportUnitsRequest]:
    """A file that comes in pieces."""
    yield imports_pb2.ImportUnitsRequest(order=imports_pb2.ImportOrder(product_id=product.product_id, **more))
    for piece in pieces:
        yield imports_pb2.ImportUnitsRequest(chunk=piece)


@pytest.fixture
async def oil(factory: Client) -> pb.Product:
    """A product with a GTIN."""
    return await factory.CreateProduct(pb.CreateProductRequest(sku="OIL-7", name="Oil", gtin="4006381333931"))


@pytest.fixture
def count(sql: Callable[[str], Awaitable[Any]]) -> Callable[[str], Awaitable[int]]:
    """Counts the rows of a table."""

    async def rows(table: str) -> int:
        return await sql(f"SELECT count(*) FROM factory.{table}")  # noqa: S608 - our own names

    return rows


async def test_a_file_becomes_a_batch_of_its_rows(factory: Client, oil: pb.Product, count) -> None:
    batch = await factory.ImportUnitsCsv(csv(oil, lot="L-1", manufactured_at="2026-01-31", expires_at="2027-01-31"))
    assert (batch.quantity, batch.state, batch.lot) == (3, pb.BATCH_STATE_PENDING, "L-1")
    assert await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id)) == batch
    assert await count("serials") == 3
    assert await count("audit WHERE action = 'batch.import'") == 1


async def test_a_file_may_come_in_pieces_of_any_size(factory: Client, oil: pb.Product) -> None:
    pieces = [CSV[at : at + 1] for at in range(len(CSV))]
    batch = await factory.ImportUnits(stream(oil, pieces, size_bytes=len(CSV), metadata={"line": "7"}))
    assert (batch.quantity, batch.metadata) == (3, {"line": "7"})


async def test_a_file_with_faults_leaves_nothing_and_its_report_names_them(
    factory: Client, factory_of_rival: Client, oil: pb.Product, count
) -> None:
    rows = b"".join(b"B B%d\r\n" % number for number in range(1200))
    refused = await refusal(factory.ImportUnitsCsv(csv(oil, b"serial\r\nA-1\r\nA-1\r\n" + rows)))
    assert (refused.code, refused.reason, refused.metadata["total"]) == ("INVALID_ARGUMENT", "INVALID_CSV", "1201")
    assert refused.fields[:2] == ["line 3, column 1 (serial)", "line 4, column 1 (serial)"]
    request = imports_pb2.GetImportReportRequest(import_id=refused.metadata["import_id"])
    report = await factory.GetImportReport(request)
    assert (report.rows, report.total, len(report.faults)) == (2, 1201, 1000)
    first = report.faults[0]
    assert (first.line, first.column, first.column_name) == (3, 1, "serial")
    assert first.description == "'A-1' is on line 2 already"
    assert [await count(table) for table in ("batches", "serials", "import_rows", "imports")] == [0, 0, 0, 0]
    assert (await refusal(factory_of_rival.GetImportReport(request))).reason == "JOB_NOT_FOUND"


async def test_serials_that_the_tenant_has_are_named_whatever_their_product(
    factory: Client, factory_of_rival: Client, oil: pb.Product, product: pb.Product
) -> None:
    await factory.ImportUnitsCsv(csv(oil))
    refused = await refusal(factory.ImportUnits(stream(product, [b"serial\nB-1\nA-2\nB-2\nA-3\nB-1\n"])))
    assert (refused.reason, refused.metadata["total"]) == ("INVALID_CSV", "3")
    assert refused.fields == [f"line {line}, column 1 (serial)" for line in (3, 5, 6)]
    theirs = await factory_of_rival.CreateProduct(pb.CreateProductRequest(sku="X", name="X"))
    assert (await factory_of_rival.ImportUnitsCsv(csv(theirs))).quantity == 3


async def test_serials_of_batches_ordered_by_quantity_are_taken_too(
    factory: Client, oil: pb.Product, product: pb.Product
) -> None:
    from services.factory.model.serials import serial_of, serial_prefix

    batch = await factory.CreateBatch(pb.CreateBatchRequest(product_id=product.product_id, quantity=10))
    prefix = serial_prefix(UUID(batch.batch_id))
    rows = [serial_of(prefix, 9), serial_of(prefix, 10), serial_of(serial_prefix(uuid7()), 0)]
    refused = await refusal(factory.ImportUnitsCsv(csv(oil, "\n".join(["serial", *rows]).encode())))
    assert (refused.reason, refused.fields) == ("INVALID_CSV", ["line 2, column 1 (serial)"])
    assert (await factory.ImportUnitsCsv(csv(oil, "\n".join(["serial", *rows[1:]]).encode()))).quantity == 2


async def test_the_same_request_twice_at_once_is_one_batch(factory: Client, oil: pb.Product, count) -> None:
    more = {"request_id": str(uuid4())}
    first, second = await asyncio.gather(
        factory.ImportUnits(stream(oil, **more)), factory.ImportUnits(stream(oil, [CSV[:20], CSV[20:]], **more))
    )
    assert first == second
    assert await count("batches") == 1
    other = await refusal(factory.ImportUnits(stream(oil, [CSV + b"A-4,x\n"], **more)))
    assert other.reason == "IDEMPOTENCY_CONFLICT"


async def test_two_files_with_the_same_serials_at_once_are_one_batch_and_a_refusal(
    factory: Client, oil: pb.Product, product: pb.Product, count
) -> None:
    rows = [b"C-%d" % number for number in range(2000)]
    one, two = (b"\n".join([b"serial", *order]) for order in (rows, rows[::-1]))
    results = await asyncio.gather(
        factory.ImportUnitsCsv(csv(oil, one)), factory.ImportUnitsCsv(csv(product, two)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["AioRpcError", "Batch"]
    assert await count("serials") == 2000


@pytest.mark.parametrize(
    "wrong",
    [
        ([CSV[:-1]], {"size_bytes": len(CSV)}, "INVALID_ARGUMENT", "order.size_bytes"),
        ([], {}, "INVALID_CSV", "line 1"),
        ([CSV], {"expires_at": "2026-01-01", "manufactured_at": "2026-01-02"}, "INVALID_ARGUMENT", "expires_at"),
        ([bytes((1 << 20) + 1)], {}, "INVALID_ARGUMENT", "chunk"),
    ],
)
async def test_a_stream_that_is_not_whole_or_not_right_is_refused(
    factory: Client, oil: pb.Product, count, wrong: tuple[Any, ...]
) -> None:
    pieces, more, reason, field = wrong
    refused = await refusal(factory.ImportUnits(stream(oil, pieces, **more)))
    assert (refused.reason, refused.fields[0]) == (reason, field)
    assert await count("batches") == 0


async def test_a_stream_begins_with_its_order_and_has_no_second(factory: Client, oil: pb.Product) -> None:
    async def without() -> AsyncIterator[imports_pb2.ImportUnitsRequest]:
        yield imports_pb2.ImportUnitsRequest(chunk=CSV)

    async def twice() -> AsyncIterator[imports_pb2.ImportUnitsRequest]:
        async for message in stream(oil):
            yield message
        async for message in stream(oil, []):
            yield message

    assert (await refusal(factory.ImportUnits(without()))).fields == ["order"]
    assert (await refusal(factory.ImportUnits(twice()))).fields == ["order"]


async def test_a_client_that_disappears_in_mid_stream_leaves_nothing(factory: Client, oil: pb.Product, count) -> None:
    sent = asyncio.Event()

    async def half() -> AsyncIterator[imports_pb2.ImportUnitsRequest]:
        async for message in stream(oil):
            yield message
        sent.set()
        await asyncio.sleep(60)

    call = factory.ImportUnits(half())
    await sent.wait()
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0.3)
    assert await count("batches") == 0
    assert (await factory.ImportUnits(stream(oil))).quantity == 3


async def test_a_file_of_more_than_10_mib_does_not_fit_one_request(factory: Client, oil: pb.Product) -> None:
    limit = 10 * 1024 * 1024
    rows = (limit - 100) // 500
    data = b"serial,note\n" + b"".join(b"S%07d,%s\n" % (number, b"n" * 490) for number in range(rows))
    refused = await refusal(factory.ImportUnitsCsv(csv(oil, data.ljust(limit + 1, b"\n"))))
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "FILE_TOO_LARGE")
    assert (await factory.ImportUnitsCsv(csv(oil, data.ljust(limit, b"\n")))).quantity == rows
    json = imports_pb2.ImportUnitsCsvRequest(
        product_id=oil.product_id, file=httpbody_pb2.HttpBody(content_type="application/json", data=b"{}")
    )
    assert (await refusal(factory.ImportUnitsCsv(json))).fields == ["file.content_type"]


async def test_only_a_product_that_takes_batches_takes_a_file(
    factory: Client, factory_of_rival: Client, oil: pb.Product
) -> None:
    assert (await refusal(factory_of_rival.ImportUnitsCsv(csv(oil)))).reason == "PRODUCT_NOT_FOUND"
    await factory.ArchiveProduct(pb.ArchiveProductRequest(product_id=oil.product_id))
    assert (await refusal(factory.ImportUnits(stream(oil)))).reason == "PRODUCT_ARCHIVED"


async def test_a_key_without_the_scope_imports_nothing(
    factory_as: Callable[..., Client], make_partner: Callable[..., Awaitable[Partner]], oil: pb.Product
) -> None:
    reader = await make_partner("Reader", scopes=frozenset({"batches:read"}))
    refused = await refusal(factory_as(reader.api_key).ImportUnits(stream(oil)))
    assert (refused.code, refused.metadata["scope"]) == ("PERMISSION_DENIED", "batches:write")


@pytest.mark.parametrize("sqlstate", ["53100", "57014"])
async def test_a_full_disk_or_a_statement_out_of_time_is_unavailable_and_leaves_nothing(
    factory: Client, oil: pb.Product, sql: Callable[[str], Awaitable[Any]], count, sqlstate: str
) -> None:
    for table in ("serials", "import_rows", "imports"):
        await sql(
            f"""
            CREATE FUNCTION factory.fail() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{sqlstate}'; END $$;
            CREATE TRIGGER fail BEFORE INSERT ON factory.{table} FOR EACH STATEMENT EXECUTE FUNCTION factory.fail()
            """
        )
        request_id = str(uuid4())
        refused = await refusal(factory.ImportUnitsCsv(csv(oil, request_id=request_id)))
        assert (refused.code, refused.reason) == ("UNAVAILABLE", "UNAVAILABLE")
        assert refused.retry_after_seconds is not None
        await sql("DROP FUNCTION factory.fail() CASCADE")
        tables = ("batches", "serials", "import_rows", "imports", "idempotency")
        assert [await count(each) for each in tables[:4]] == [0, 0, 0, 0]
    assert (await factory.ImportUnitsCsv(csv(oil, request_id=request_id))).quantity == 3


async def test_a_statement_timeout_of_the_database_is_unavailable(
    factory: Client, oil: pb.Product, sql: Callable[[str], Awaitable[Any]], count
) -> None:
    await sql("ALTER ROLE voketag_factory SET statement_timeout = '1ms'")
    try:
        for _ in range(5):  # a session that was just starting has read its settings already, and is not named yet
            await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'voketag_factory'")
            await asyncio.sleep(0.1)
        rows = b"".join(b"D-%d\n" % number for number in range(200_000))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await factory.ImportUnits(
                stream(oil, [b"serial\n", *(rows[at : at + 100_000] for at in range(0, len(rows), 100_000))])
            )
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        await sql("ALTER ROLE voketag_factory RESET statement_timeout")
        await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'voketag_factory'")
    assert await count("batches") == 0


async def test_the_answer_begins_before_the_file_ends_so_that_no_proxy_cuts_a_long_upload_off(
    factory: Client, oil: pb.Product
) -> None:
    begun = asyncio.Event()

    async def waiting() -> AsyncIterator[imports_pb2.ImportUnitsRequest]:
        async for message in stream(oil):
            yield message
            if message.WhichOneof("part") == "order":
                await begun.wait()

    call = factory.ImportUnits(waiting())
    await asyncio.wait_for(call.initial_metadata(), 5)
    begun.set()
    assert (await call).quantity == 3


async def test_many_files_of_a_tenant_at_once_leave_the_others_their_connections(
    factory: Client, factory_of_rival: Client, oil: pb.Product, acme: Partner, sql: Callable[[str], Awaitable[Any]]
) -> None:
    """The tenant's turn is held in the database, as by another server, for as long as everything waits."""
    key = f"hashtextextended('factory.serials', 0) # hashtextextended('{acme.tenant_id}', 1)"
    await sql(f"SELECT pg_advisory_lock({key})")
    files = [asyncio.ensure_future(factory.ImportUnitsCsv(csv(oil, b"serial\nF-%d\n" % n))) for n in range(15)]
    try:
        await waits_for_advisory_lock(sql)
        for client in (factory, factory_of_rival):
            await asyncio.gather(*(client.ListProducts(pb.ListProductsRequest(), timeout=4) for _ in range(10)))
    finally:
        await sql(f"SELECT pg_advisory_unlock({key})")
    assert [batch.quantity for batch in await asyncio.gather(*files)] == [1] * 15


async def waits_for_advisory_lock(sql: Callable[[str], Awaitable[Any]]) -> None:
    """Return once all that will wait for the lock does: nobody new within half a second."""
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
        "WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()"
    )
    before = 0
    async with asyncio.timeout(30):
        while not (now := await sql(waiting)) or now != before:
            before = now
            await asyncio.sleep(0.5)
