"""Rows out of chunks that end anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voketag_sdk._export import HEADER, _parse, _Received
from voketag_sdk.errors import ExportBroken
from voketag_sdk.models import ExportedUnit, UnitState

ROWS = [b'%d,%d,"S ""%d""\r\nline",AAAAAAAAAAAAAAAAAAAA,https://v.example/r/A,ACTIVE\r\n' % (n, n, n) for n in range(4)]


@given(st.lists(st.integers(0, 500), max_size=8))
def test_chunks_may_end_anywhere(cuts: list[int]) -> None:
    data = HEADER + b"".join(ROWS)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    received = _Received("b")
    received.request_for_the_rest()
    lines = [line for start, end in pairwise(edges) for line in received.take(data[start:end])]
    received.finish()
    assert lines == ROWS


@given(st.integers(0, 500))
def test_a_stream_that_breaks_anywhere_goes_on_with_the_first_row_that_is_missing(cut: int) -> None:
    received = _Received("b")
    assert received.request_for_the_rest().first_index == 0
    lines = received.take((HEADER + b"".join(ROWS))[:cut])
    first = received.request_for_the_rest().first_index
    assert first == len(lines)
    lines += received.take((b"" if first else HEADER) + b"".join(ROWS[first:]))
    received.finish()
    assert lines == ROWS


@pytest.mark.parametrize(
    "data",
    [
        b"".join(ROWS),
        HEADER + ROWS[1],
        HEADER + ROWS[0] + ROWS[0],
        HEADER + ROWS[0] + ROWS[2],
        HEADER + ROWS[0] + ROWS[1][:-2],
        HEADER + HEADER,
        HEADER[:-1],
        b"",
    ],
    ids=["no header", "late start", "doubled", "gap", "cut", "two headers", "half a header", "nothing"],
)
def test_anything_but_the_rows_in_order_is_a_broken_export(data: bytes) -> None:
    received = _Received("b")
    received.request_for_the_rest()

    def all_of_it() -> None:
        received.take(data)
        received.finish()

    with pytest.raises(ExportBroken):
        all_of_it()


def test_a_row_is_parsed() -> None:
    assert _parse(b'0,1099511627776,"S ""0""",AAAAAAAAAAAAAAAAAAAA,https://v.example/r/A,RECALLED\r\n') == ExportedUnit(
        index=0,
        unit_id=1 << 40,
        serial='S "0"',
        code="AAAAAAAAAAAAAAAAAAAA",
        url="https://v.example/r/A",
        state=UnitState.RECALLED,
    )


@pytest.mark.parametrize(
    "line", [b"0,1\r\n", b"0,x,S,C,U,ACTIVE\r\n", b'0,1,"S,C,U,ACTIVE\r\n', b"0,1,\xff,C,U,ACTIVE\r\n"]
)
def test_what_is_no_row_is_a_broken_export(line: bytes) -> None:
    with pytest.raises(ExportBroken):
        _parse(line)
