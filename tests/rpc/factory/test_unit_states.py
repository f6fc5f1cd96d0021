"""Units one by one and many at once, over gRPC. The worker's part is in tests/storage."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.api import httpbody_pb2

from deploy.local.valkey import Valkey
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.settings import ProcessSettings
from services.factory.hot_state import HotState
from services.factory.operations.unit_states import UnitStateChanger
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal, whole
from tests.rpc.factory.conftest import IssueBatch
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import imports_pb2


@pytest.fixture
def work(database_url: DatabaseUrl, valkey: Valkey) -> Callable[[], Awaitable[None]]:
    """Does the jobs that are due, as the worker does."""

    async def run() -> None:
        settings = ProcessSettings(database_url=database_url("voketag_factory"))
        async with aclosing(Database.open(settings)) as database, aclosing(HotState(url=valkey.url(1))) as hot_state:
            changer = UnitStateChanger(
                database=database, clock=SystemClock(), hot_state=hot_state, lease=timedelta(seconds=15)
            )
            while (claim := await changer.take()) is not None:
                await changer.work(claim)

    return run


@pytest.fixture
async def imported(factory: Client, product: pb.Product, sql: Callable[[str], Awaitable[Any]]) -> pb.Batch:
    """An imported batch as the worker leaves it."""
    data = b'serial,colour,=size\r\n=A,red,"1,5"\r\nA-2,blue,\r\nA-3,"@x",7\r\n'
    file = httpbody_pb2.HttpBody(content_type="text/csv", data=data)
    batch = await factory.ImportUnitsCsv(imports_pb2.ImportUnitsCsvRequest(product_id=product.product_id, file=file))
    await sql(
        f"""
        WITH issued AS (UPDATE factory.batches SET state = 'COMPLETED', issued_count = quantity
                        WHERE batch_id = '{batch.batch_id}' RETURNING *)
        INSERT INTO factory.units (unit_id, batch_id, serial)
        SELECT (key_id::bigint << 40 | first_number) + serials.unit_index, batch_id, serials.serial
        FROM issued JOIN factory.serials USING (batch_id)
        """  # noqa: S608 - our own values
    )
    return batch


def states(**more: Any) -> pb.SetUnitStatesRequest:
    """A recall."""
    return pb.SetUnitStatesRequest(state=pb.UNIT_STATE_RECALLED, reason=pb.UNIT_STATE_REASON_QUALITY, **more)


async def test_a_unit_is_found_by_its_id_its_serial_and_its_code(
    factory: Client, factory_of_rival: Client, imported: pb.Batch
) -> None:
    unit = await factory.GetUnit(pb.GetUnitRequest(serial="A-2"))
    assert (unit.index, unit.batch_id, dict(unit.attributes)) == (1, imported.batch_id, {"colour": "blue"})
    assert not unit.HasField("state_changed_at")
    for request in (pb.GetUnitRequest(unit_id=unit.unit_id), pb.GetUnitRequest(code=unit.code)):
        assert await factory.GetUnit(request) == unit
        assert (await refusal(factory_of_rival.GetUnit(request))).reason == "UNIT_NOT_FOUND"
    assert (await refusal(factory_of_rival.GetUnit(pb.GetUnitRequest(serial="A-2")))).reason == "UNIT_NOT_FOUND"
    for request in (pb.GetUnitRequest(serial="none"), pb.GetUnitRequest(code="A" * 20), pb.GetUnitRequest(unit_id=7)):
        assert (await refusal(factory.GetUnit(request))).reason == "UNIT_NOT_FOUND"
    assert (await refusal(factory.GetUnit(pb.GetUnitRequest(code="short")))).reason == "MALFORMED_CODE"
    assert (await refusal(factory.GetUnit(pb.GetUnitRequest()))).reason == "INVALID_ARGUMENT"


async def test_the_units_of_an_imported_batch_have_their_attributes(factory: Client, imported: pb.Batch) -> None:
    page = await factory.ListUnits(pb.ListUnitsRequest(batch_id=imported.batch_id, page_size=2))
    assert [dict(unit.attributes) for unit in page.units] == [{"colour": "red", "=size": "1,5"}, {"colour": "blue"}]
    changed = await factory.SetUnitState(
        pb.SetUnitStateRequest(unit_id=page.units[0].unit_id, state=pb.UNIT_STATE_SOLD)
    )
    assert dict(changed.attributes) == {"colour": "red", "=size": "1,5"}
    assert changed.HasField("state_changed_at")


async def test_an_export_runs_in_no_spreadsheet_and_can_be_sent_back(factory: Client, imported: pb.Batch, work) -> None:
    chunks = await whole(factory.ExportUnits(pb.ExportUnitsRequest(batch_id=imported.batch_id)))
    data = b"".join(chunk.data for chunk in chunks)
    first, *rows = data.decode().split("\r\n")
    assert first == "index,unit_id,serial,code,url,state,colour,'=size"
    assert [row.split(",")[2] for row in rows if row] == ["'=A", "A-2", "A-3"]
    assert rows[0].endswith(',ACTIVE,red,"1,5"')
    assert rows[2].endswith(",ACTIVE,'@x,7")
    file = httpbody_pb2.HttpBody(content_type="text/csv", data=data)
    job = await factory.SetUnitStatesCsv(pb.SetUnitStatesCsvRequest(state=pb.UNIT_STATE_BLOCKED, file=file))
    await work()
    done = await factory.GetUnitStateJob(pb.GetUnitStateJobRequest(job_id=job.job_id))
    assert (done.state, done.changed, done.missing_count) == (pb.JOB_STATE_DONE, 3, 0)


async def test_many_units_are_changed_as_a_job(
    factory: Client, factory_of_rival: Client, imported: pb.Batch, issue_batch: IssueBatch, work
) -> None:
    other = await issue_batch(5)
    whole_batch = await factory.SetUnitStates(states(range=pb.UnitRange(batch_id=other)))
    some = await factory.SetUnitStates(states(range=pb.UnitRange(batch_id=imported.batch_id, first_index=1, count=1)))
    listed = await factory.SetUnitStates(states(serials=pb.UnitSerials(serials=["A-3", "A-3", "none"])))
    assert [(job.state, job.total) for job in (whole_batch, some, listed)] == [
        (pb.JOB_STATE_PENDING, 5),
        (pb.JOB_STATE_PENDING, 1),
        (pb.JOB_STATE_PENDING, 2),
    ]
    assert whole_batch.created_by.startswith("key ")
    await work()
    page = await factory.ListUnitStateJobs(pb.ListUnitStateJobsRequest(page_size=2))
    assert [job.job_id for job in page.jobs] == [listed.job_id, some.job_id]
    assert [(job.state, job.done, job.changed, list(job.missing)) for job in page.jobs] == [
        (pb.JOB_STATE_DONE, 2, 1, ["none"]),
        (pb.JOB_STATE_DONE, 1, 1, []),
    ]
    rest = await factory.ListUnitStateJobs(pb.ListUnitStateJobsRequest(page_size=2, page_token=page.next_page_token))
    assert [(job.job_id, job.changed) for job in rest.jobs] == [(whole_batch.job_id, 5)]
    units = await factory.ListUnits(pb.ListUnitsRequest(batch_id=imported.batch_id))
    assert [unit.state for unit in units.units] == [pb.UNIT_STATE_ACTIVE, *[pb.UNIT_STATE_RECALLED] * 2]
    assert units.units[1].state_reason == pb.UNIT_STATE_REASON_QUALITY
    theirs = await refusal(factory_of_rival.GetUnitStateJob(pb.GetUnitStateJobRequest(job_id=some.job_id)))
    assert theirs.reason == "JOB_NOT_FOUND"
    assert not (await factory_of_rival.ListUnitStateJobs(pb.ListUnitStateJobsRequest())).jobs


async def test_what_is_no_range_of_an_issued_batch_is_refused(
    factory: Client, factory_of_rival: Client, issue_batch: IssueBatch
) -> None:
    batch_id = await issue_batch(5)
    for first, count in ((5, 0), (0, 6), (4, 2)):
        request = states(range=pb.UnitRange(batch_id=batch_id, first_index=first, count=count))
        assert (await refusal(factory.SetUnitStates(request))).fields == ["range"]
    request = states(range=pb.UnitRange(batch_id=batch_id))
    assert (await refusal(factory_of_rival.SetUnitStates(request))).reason == "BATCH_NOT_FOUND"
    issuing = states(range=pb.UnitRange(batch_id=await issue_batch(3, state="ISSUING")))
    assert (await refusal(factory.SetUnitStates(issuing))).reason == "BATCH_STATE"
    assert (await refusal(factory.SetUnitStates(states()))).reason == "INVALID_ARGUMENT"


async def test_a_job_is_ordered_once(factory: Client, issue_batch: IssueBatch) -> None:
    request = states(range=pb.UnitRange(batch_id=await issue_batch(5)), request_id=str(uuid4()))
    assert await factory.SetUnitStates(request) == await factory.SetUnitStates(request)
    file = httpbody_pb2.HttpBody(content_type="text/csv", data=b"serial\nA\n")
    csv = pb.SetUnitStatesCsvRequest(state=pb.UNIT_STATE_SOLD, file=file, request_id=str(uuid4()))
    assert await factory.SetUnitStatesCsv(csv) == await factory.SetUnitStatesCsv(csv)
    csv.file.data = b"serial\nB\n"
    assert (await refusal(factory.SetUnitStatesCsv(csv))).reason == "IDEMPOTENCY_CONFLICT"
    assert len((await factory.ListUnitStateJobs(pb.ListUnitStateJobsRequest())).jobs) == 2


async def test_a_file_of_serials_with_faults_is_refused_whole(factory: Client) -> None:
    file = httpbody_pb2.HttpBody(content_type="text/csv", data=b"serial\nA\n\x07\nA\n")
    refused = await refusal(factory.SetUnitStatesCsv(pb.SetUnitStatesCsvRequest(state=pb.UNIT_STATE_SOLD, file=file)))
    assert (refused.reason, refused.fields) == ("INVALID_CSV", ["line 3, column 1 (serial)"])
