"""Files and many units through the SDK, against the server itself."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.rpc.conftest import Partner
from tests.rpc.factory.conftest import IssueBatch
from tests.rpc.factory.test_unit_states import imported, work  # noqa: F401 - fixtures
from voketag.factory.v1 import factory_pb2 as pb
from voketag_sdk import AsyncClient, JobState, UnitState, UnitStateReason, errors


@pytest.fixture
async def voketag(factory_server: str, acme: Partner) -> AsyncIterator[AsyncClient]:
    """Acme's client."""
    async with AsyncClient(f"http://{factory_server}", api_key=acme.api_key) as client:
        yield client


async def test_a_file_is_imported_from_a_path_its_content_or_an_open_file(
    voketag: AsyncClient, product: pb.Product, tmp_path: Path
) -> None:
    path = tmp_path / "units.csv"
    path.write_bytes(b"serial\r\n" + b"".join(b"P-%06d\r\n" % number for number in range(100_000)))
    assert (await voketag.batches.import_csv(product.product_id, path, lot="L-1")).quantity == 100_000
    assert (await voketag.batches.import_csv(product.product_id, b"serial\nA-1\n")).quantity == 1
    opened = BytesIO(b"not this serial\nB-1\nB-2\n")
    opened.seek(9)
    assert (await voketag.batches.import_csv(product.product_id, opened)).quantity == 2
    assert not opened.closed


async def test_a_refused_file_says_where_and_its_report_says_more(voketag: AsyncClient, product: pb.Product) -> None:
    with pytest.raises(errors.InvalidCsv) as refused:
        await voketag.batches.import_csv(product.product_id, b"serial\nA-1\n\x07\nA-1\n")
    assert (refused.value.total, len(refused.value.violations)) == (2, 2)
    report = await voketag.batches.import_report(refused.value.import_id)
    assert [(fault.line, fault.column, fault.column_name) for fault in report.faults] == [
        (3, 1, "serial"),
        (4, 1, "serial"),
    ]


async def test_units_are_found_changed_and_exported(
    voketag: AsyncClient,
    imported: pb.Batch,  # noqa: F811
    issue_batch: IssueBatch,
    work,  # noqa: F811
    tmp_path: Path,
) -> None:
    unit = await voketag.units.get(serial="=A")
    assert (unit.attributes, unit.batch_id) == ({"colour": "red", "=size": "1,5"}, imported.batch_id)
    assert await voketag.units.get(unit.id) == await voketag.units.get(code=unit.code) == unit
    rows = await voketag.batches.rows(imported.batch_id).all()
    assert [(row.serial, dict(row.attributes)) for row in rows] == [
        ("=A", {"colour": "red", "=size": "1,5"}),
        ("A-2", {"colour": "blue"}),
        ("A-3", {"colour": "@x", "=size": "7"}),
    ]
    path = tmp_path / "export.csv"
    assert await voketag.batches.export(imported.batch_id, path) == 3
    assert path.read_bytes().startswith(b"index,unit_id,serial,code,url,state,colour,'=size\r\n0,")
    other = await issue_batch(5)
    jobs = [
        await voketag.units.set_states(UnitState.RECALLED, batch_id=other, reason=UnitStateReason.QUALITY),
        await voketag.units.set_states(UnitState.SOLD, serials=["A-2", "none"]),
        await voketag.units.set_states_csv(path, UnitState.BLOCKED),
    ]
    assert {job.state for job in jobs} == {JobState.PENDING}
    await work()
    done = [await voketag.units.wait_for_job(job.id) for job in jobs]
    assert [(job.state, job.changed, job.missing) for job in done] == [
        (JobState.DONE, 5, ()),
        (JobState.DONE, 1, ("none",)),
        (JobState.DONE, 3, ()),
    ]
    assert [job.id for job in await voketag.units.jobs(page_size=2).all()] == [job.id for job in reversed(jobs)]
    with pytest.raises(errors.JobNotFound):
        await voketag.units.get_job(other)
    with pytest.raises(ValueError, match="one of"):
        await voketag.units.get(1, serial="x")
