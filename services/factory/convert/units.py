"""Units in protobuf, and as CSV."""

import csv
from collections.abc import Iterable
from io import StringIO

from google.api import httpbody_pb2

from services.common.errors import InvalidPageToken
from services.common.paging import decode_token, encode_token
from services.factory import ndef, qr
from services.factory.model.page import Page
from services.factory.model.settings import TagType
from services.factory.model.units import Unit
from services.factory.qr import ImageFormat
from voketag.factory.v1 import factory_pb2

DEFAULT_FORMATS = {TagType.QR: "svg", TagType.NFC: "ndef"}
"""What a code is rendered as when a request does not say."""
_CSV_HEADER = ("index", "unit_id", "serial", "code", "url", "state")
_MOST_UNITS = 1_000_000  # of a batch, as the contract has it
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


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
        unit_id=stored.unit_id,
        serial=stored.serial,
        code=found.code,
        url=found.url,
        state=factory_pb2.UnitState.ValueType(stored.state),
        state_reason=factory_pb2.UnitStateReason.ValueType(stored.state_reason),
    )


def unit_page(page: Page[Unit]) -> factory_pb2.ListUnitsResponse:
    """Return a page of units."""
    return factory_pb2.ListUnitsResponse(
        units=[unit(item) for item in page.items],
        next_page_token=encode_token(page.items[-1].index + 1) if page.more else "",
    )


def csv_chunk(units: Iterable[Unit], *, header: bool) -> httpbody_pb2.HttpBody:
    """Return units as rows of CSV (RFC 4180)."""
    lines = StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    if header:
        writer.writerow(_CSV_HEADER)
    writer.writerows(
        (row.index, row.stored.unit_id, _cell(row.stored.serial), row.code, row.url, row.stored.state.name)
        for row in units
    )
    return httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=lines.getvalue().encode())


def carrier(url: str, asked: str) -> httpbody_pb2.HttpBody:
    """Return what carries a URL, in the format that a request or a setting names."""
    if asked == "ndef":
        return httpbody_pb2.HttpBody(content_type=ndef.MEDIA_TYPE, data=ndef.message(url))
    drawn_as = ImageFormat[asked.upper()]
    return httpbody_pb2.HttpBody(content_type=drawn_as.value, data=qr.render(url, drawn_as))


def _cell(serial: str) -> str:
    """Keep spreadsheets from running a serial as a formula: an apostrophe makes it text (OWASP, CSV injection)."""
    return f"'{serial}" if serial.startswith(_FORMULA_STARTS) else serial
