"""Units: listed, exported, drawn, and their state changed."""

import csv
import io
import re
import struct
import zlib
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from deploy.local.valkey import Valkey
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal, whole
from tests.rpc.factory.conftest import IssueBatch
from voketag.factory.v1 import factory_pb2 as pb

# From the published vectors of unit codes, version 1: key 1 with the secret 000102...1f.
CODES = {0: "AAGXVeoLPTTJ3dQ-a1eL", 1: "AAGsX-7hy8cQiAv5dyMH", 2: "AAFYdJYDziOyM3JBqiog", 255: "AAGyKuQ-YP1nt4KfrRuh"}
FIRST_UNIT_ID = 1099511627776


async def test_units_come_with_the_codes_of_their_key(factory: Client, issue_batch: IssueBatch) -> None:
    batch_id = await issue_batch(3)
    units = (await factory.ListUnits(pb.ListUnitsRequest(batch_id=batch_id))).units
    assert [(unit.index, unit.unit_id, unit.serial, unit.code) for unit in units] == [
        (index, FIRST_UNIT_ID + index, f"S00000{index}", CODES[index]) for index in range(3)
    ]
    assert units[1].url == "https://acme.example/r/AAGsX-7hy8cQiAv5dyMH"
    assert units[1].state == pb.UNIT_STATE_ACTIVE


async def test_pages_hold_every_unit_once_in_index_order(factory: Client, issue_batch: IssueBatch) -> None:
    await issue_batch(4)  # so that index and number differ
    batch_id = await issue_batch(7)
    listed, token = [], ""
    for _ in range(3):
        page = await factory.ListUnits(pb.ListUnitsRequest(batch_id=batch_id, page_size=3, page_token=token))
        listed += [unit.index for unit in page.units]
        token = page.next_page_token
    assert listed == [0, 1, 2, 3, 4, 5, 6]
    assert not token


@pytest.mark.parametrize("token", ["LTFd", "WzFlOTld", "WyIxIl0", "%%%", "W10", "WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwXQ"])
async def test_a_page_token_that_was_not_given_out_does_no_harm(
    factory: Client, issue_batch: IssueBatch, token: str
) -> None:
    batch_id = await issue_batch(2)
    refused = await refusal(factory.ListUnits(pb.ListUnitsRequest(batch_id=batch_id, page_token=token)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("state", ["PENDING", "ISSUING", "FAILED", "CANCELLED"])
@pytest.mark.parametrize("method", ["ListUnits", "ExportUnits", "RenderCode", "SetUnitState"])
async def test_units_are_not_visible_before_all_are_issued_nor_once_void(
    factory: Client, issue_batch: IssueBatch, state: str, method: str
) -> None:
    batch_id = await issue_batch(2, state=state)
    requests = {
        "ListUnits": pb.ListUnitsRequest(batch_id=batch_id),
        "ExportUnits": pb.ExportUnitsRequest(batch_id=batch_id),
        "RenderCode": pb.RenderCodeRequest(batch_id=batch_id),
        "SetUnitState": pb.SetUnitStateRequest(unit_id=FIRST_UNIT_ID, state=pb.UNIT_STATE_BLOCKED),
    }
    call = getattr(factory, method)(requests[method])
    refused = await refusal(whole(call) if method == "ExportUnits" else call)
    assert (refused.code, refused.reason, refused.metadata) == (
        "FAILED_PRECONDITION",
        "BATCH_STATE",
        {"state": state},
    )


@pytest.mark.parametrize("state", ["ANCHORING", "ANCHOR_FAILED", "COMPLETED"])
async def test_units_are_visible_once_all_are_issued(factory: Client, issue_batch: IssueBatch, state: str) -> None:
    batch_id = await issue_batch(2, state=state)
    assert len((await factory.ListUnits(pb.ListUnitsRequest(batch_id=batch_id))).units) == 2


async def test_an_export_is_the_csv_of_all_units(factory: Client, issue_batch: IssueBatch) -> None:
    batch_id = await issue_batch(1300)
    await factory.SetUnitState(pb.SetUnitStateRequest(unit_id=FIRST_UNIT_ID + 2, state=pb.UNIT_STATE_RECALLED))
    chunks = await whole(factory.ExportUnits(pb.ExportUnitsRequest(batch_id=batch_id)))
    assert {chunk.content_type for chunk in chunks} == {"text/csv; charset=utf-8"}
    assert max(len(chunk.data) for chunk in chunks) < 128 * 1024
    text = b"".join(chunk.data for chunk in chunks).decode()
    lines = text.split("\r\n")
    assert lines[0] == "index,unit_id,serial,code,url,state"
    assert lines[3] == f"2,{FIRST_UNIT_ID + 2},S000002,{CODES[2]},https://acme.example/r/{CODES[2]},RECALLED"
    assert lines[256] == f"255,1099511628031,S000255,{CODES[255]},https://acme.example/r/{CODES[255]},ACTIVE"
    assert "\n" not in text.replace("\r\n", "")
    assert [int(row["index"]) for row in csv.DictReader(io.StringIO(text))] == list(range(1300))


async def test_an_export_goes_on_where_a_consumer_stopped(factory: Client, issue_batch: IssueBatch) -> None:
    batch_id = await issue_batch(5)
    chunks = await whole(factory.ExportUnits(pb.ExportUnitsRequest(batch_id=batch_id, first_index=3)))
    rows = b"".join(chunk.data for chunk in chunks).decode().splitlines()
    assert [row.split(",")[0] for row in rows] == ["3", "4"]
    assert not await whole(factory.ExportUnits(pb.ExportUnitsRequest(batch_id=batch_id, first_index=5)))
    refused = await refusal(whole(factory.ExportUnits(pb.ExportUnitsRequest(batch_id=batch_id, first_index=6))))
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["first_index"])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
async def test_no_serial_in_an_export_is_a_formula(factory: Client, issue_batch: IssueBatch, start: str) -> None:
    batch_id = await issue_batch(1, serials=f'{start}cmd|"x",')
    chunks = await whole(factory.ExportUnits(pb.ExportUnitsRequest(batch_id=batch_id)))
    row = next(csv.DictReader(io.StringIO(b"".join(chunk.data for chunk in chunks).decode(), newline="")))
    assert row["serial"] == f'\'{start}cmd|"x",000000'
    listed = (await factory.ListUnits(pb.ListUnitsRequest(batch_id=batch_id))).units[0]
    assert listed.serial == f'{start}cmd|"x",000000', "the API returns it as it is"


async def test_a_code_is_drawn_as_svg_or_png_of_the_smallest_version_at_level_m(
    factory: Client, issue_batch: IssueBatch
) -> None:
    batch_id = await issue_batch(2)
    svg = await factory.RenderCode(pb.RenderCodeRequest(batch_id=batch_id, index=1))
    assert svg.content_type == "image/svg+xml"
    # 43 bytes at level M need version 4: 33 modules and a quiet zone of 4 on each side, 8 pixels each.
    assert re.search(rb'<svg [^>]*width="328" height="328"', svg.data)
    png = await factory.RenderCode(pb.RenderCodeRequest(batch_id=batch_id, index=1, format="png"))
    assert png.content_type == "image/png"
    assert png.data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png.data[16:24]) == (328, 328)
    assert zlib.crc32(png.data[12:29]) == struct.unpack(">I", png.data[29:33])[0]
    other = await factory.RenderCode(pb.RenderCodeRequest(batch_id=batch_id, index=0))
    assert other.data != svg.data


async def test_a_unit_behind_the_last_has_no_code(factory: Client, issue_batch: IssueBatch) -> None:
    batch_id = await issue_batch(2)
    await issue_batch(2)
    refused = await refusal(factory.RenderCode(pb.RenderCodeRequest(batch_id=batch_id, index=2)))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "UNIT_NOT_FOUND")


async def test_a_change_of_state_is_stored_and_told_to_scan(
    factory: Client, issue_batch: IssueBatch, valkey: Valkey, database_url: DatabaseUrl
) -> None:
    await issue_batch(2)
    unit_id = FIRST_UNIT_ID + 1
    async with Redis.from_url(valkey.url(1)) as redis, redis.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe("voketag:units")
        await listener.get_message(timeout=5)
        changed = await factory.SetUnitState(
            pb.SetUnitStateRequest(unit_id=unit_id, state=pb.UNIT_STATE_SUSPENDED, reason=pb.UNIT_STATE_REASON_STOLEN)
        )
        message = await listener.get_message(timeout=5)
    assert (changed.index, changed.code) == (1, CODES[1])
    assert (changed.state, changed.state_reason) == (pb.UNIT_STATE_SUSPENDED, pb.UNIT_STATE_REASON_STOLEN)
    assert message is not None
    assert message["data"] == str(unit_id).encode()
    connection = await asyncpg.connect(database_url())
    try:
        rows = await connection.fetch("SELECT state, state_reason FROM factory.units ORDER BY unit_id")
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [(1, 0), (2, 1)], "2 is suspended, 1 is stolen; the other unit is as it was"


async def test_a_change_of_state_is_replayed_as_it_was_answered(factory: Client, issue_batch: IssueBatch) -> None:
    await issue_batch(1)
    request = pb.SetUnitStateRequest(unit_id=FIRST_UNIT_ID, state=pb.UNIT_STATE_SUSPENDED, request_id=str(uuid4()))
    first = await factory.SetUnitState(request)
    await factory.SetUnitState(pb.SetUnitStateRequest(unit_id=FIRST_UNIT_ID, state=pb.UNIT_STATE_ACTIVE))
    assert await factory.SetUnitState(request) == first
    assert (await factory.SetUnitState(pb.SetUnitStateRequest(unit_id=FIRST_UNIT_ID, state=pb.UNIT_STATE_ACTIVE))).state
