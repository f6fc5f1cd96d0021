"""Units in protobuf, and as CSV."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from itertools import repeat

from google.api import httpbody_pb2

from services.common.errors import InvalidPageToken
from services.common.paging import decode_token, encode_token
from services.factory import ndef, qr
from services.factory.convert.fields import text, timestamp
from services.factory.model.cells import neutralised
from services.factory.model.imports import RECORD_SEPARATOR, UNIT_SEPARATOR, cells_in
from services.factory.model.page import Page
from services.factory.model.settings import TagType
from services.factory.model.units import ExportSlice, Unit
from services.factory.operations.units import Code, Serial
from services.factory.qr import ImageFormat
from voketag.factory.v1 import factory_pb2

DEFAULT_FORMATS = {TagType.QR: "svg", TagType.NFC: "ndef"}
"""What a code is rendered as when a request does not say."""
_CSV_HEADER = ("index", "unit_id", "serial", "code", "url", "state")
_MOST_UNITS = 1_000_000  # of a batch, as the contract has it
_QUOTED = '",\r\n'
_STARTS_WITH_CARE = tuple(UNIT_SEPARATOR + letter for letter in "'=+-@\t")


def first_index(page_token: str) -> int:
    """Return the index of the page's first unit."""
    position = decode_token(page_token, int)
    if position is None:
        return 0
    index = int(position[0])
    if not 0 <= index < _MOST_UNITS:
        raise InvalidPageToken
    return index


def unit(found: Unit) -> factory_pb2.Unit:
    """Return a unit."""
    stored = found.stored
    return factory_pb2.Unit(
        index=found.index,
        batch_id=str(found.batch_id),
        unit_id=stored.unit_id,
        serial=stored.serial,
        code=found.code,
        url=found.url,
        state=factory_pb2.UnitState.ValueType(stored.state),
        state_reason=factory_pb2.UnitStateReason.ValueType(stored.state_reason),
        state_changed_at=timestamp(stored.state_changed_at),
        attributes=found.attributes,
    )


def unit_page(page: Page[Unit]) -> factory_pb2.ListUnitsResponse:
    """Return a page of units."""
    return factory_pb2.ListUnitsResponse(
        units=[unit(item) for item in page.items],
        next_page_token=encode_token(page.items[-1].index + 1) if page.more else "",
    )


def wanted(request: factory_pb2.GetUnitRequest) -> int | Serial | Code:
    """Return how a request names a unit."""
    match request.WhichOneof("unit"):
        case "serial":
            return Serial(text("serial", request.serial))
        case "code":
            return Code(request.code)
        case _:
            return request.unit_id


def csv_slice(found: ExportSlice, *, header: bool) -> httpbody_pb2.HttpBody:
    """Return units as rows of CSV (RFC 4180)."""
    serials, rows = found.serials, found.rows
    ids = range(found.first_unit_id, found.first_unit_id + len(serials))
    units = enumerate(zip(ids, serials, found.codes, found.states, strict=True), found.first_index)
    start = f"{found.base_url}/r/"
    lines = StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    if header:
        writer.writerow((*_CSV_HEADER, *map(neutralised, found.columns)))
    if not _are_plain(serials) or not _are_plain(rows):
        cells: Iterable[Sequence[str]] = map(cells_in, rows) if found.columns else repeat((), len(serials))
        writer.writerows(
            (index, unit_id, neutralised(serial), code, start + code, state, *map(neutralised, more))
            for (index, (unit_id, serial, code, state)), more in zip(units, cells, strict=True)
        )
    elif found.columns:
        lines.write(
            "".join(
                [
                    f"{index},{unit_id},{serial},{code},{start}{code},{state}{row[len(serial) :]}\r\n"
                    for (index, (unit_id, serial, code, state)), row in zip(units, rows, strict=True)
                ]
            ).replace(UNIT_SEPARATOR, ",")
        )
    else:
        lines.write(
            "".join(
                [
                    f"{index},{unit_id},{serial},{code},{start}{code},{state}\r\n"
                    for index, (unit_id, serial, code, state) in units
                ]
            )
        )
    return httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=lines.getvalue().encode())


def _are_plain(rows: Sequence[str]) -> bool:
    """Say whether rows as they are kept need no quote and no apostrophe in any cell: as a rule, and ten looks in C."""
    text = (RECORD_SEPARATOR + RECORD_SEPARATOR.join(rows)).replace(RECORD_SEPARATOR, UNIT_SEPARATOR)
    return not any(letter in text for letter in _QUOTED) and not any(start in text for start in _STARTS_WITH_CARE)


def carrier(url: str, asked: str) -> httpbody_pb2.HttpBody:
    """Return what carries a URL, in the format that a request or a setting names."""
    if asked == "ndef":
        return httpbody_pb2.HttpBody(content_type=ndef.MEDIA_TYPE, data=ndef.message(url))
    drawn_as = ImageFormat[asked.upper()]
    return httpbody_pb2.HttpBody(content_type=drawn_as.value, data=qr.render(url, drawn_as))
