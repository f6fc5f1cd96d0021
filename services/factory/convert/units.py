"""Units in protobuf, and as CSV."""

import csv
from collections.abc import Iterable
from io import StringIO

from google.api import httpbody_pb2

from services.common.errors import InvalidPageToken
from services.common.paging import decode_token, encode_token
from services.factory.model.page import Page
from services.factory.model.units import Unit
from services.factory.qr import ImageFormat
from voketag.factory.v1 import factory_pb2

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


def image_format(asked: str) -> ImageFormat:
    """Return the format that a request asks for: SVG unless it says PNG."""
    return ImageFormat[asked.upper() or "SVG"]


def image(content: bytes, drawn_as: ImageFormat) -> httpbody_pb2.HttpBody:
    """Return an image."""
    return httpbody_pb2.HttpBody(content_type=drawn_as.value, data=content)


def _cell(serial: str) -> str:
    """Keep spreadsheets from running a serial as a formula: an apostrophe makes it text (OWASP, CSV injection)."""
    return f"'{serial}" if serial.startswith(_FORMULA_STARTS) else serial
