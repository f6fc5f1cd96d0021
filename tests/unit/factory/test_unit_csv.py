"""Units as rows of CSV: whichever way a slice is written, a reader gets back what was put in."""

import csv
from io import StringIO

from hypothesis import example, given
from hypothesis import strategies as st

from services.factory.convert.units import csv_slice
from services.factory.model.cells import literal
from services.factory.model.imports import joined
from services.factory.model.units import ExportSlice

# What a file may bring: printable serials, and cells without control characters other than tabs and line ends.
serials = st.text(st.sampled_from("A1-=+@' \",;é"), min_size=1, max_size=5)
cells = st.text(st.sampled_from("a-=+@' \",;\té\n"), max_size=5)
rows = st.lists(st.tuples(serials, cells, cells), min_size=1, max_size=4)


def written(units: list[tuple[str, ...]]) -> list[list[str]]:
    """Return the cells of an export's rows; two columns beside the serial, or none."""
    columns = ["colour", "note"][: len(units[0]) - 1]
    found = ExportSlice(
        first_index=7,
        first_unit_id=1000,
        base_url="https://acme.example",
        columns=columns,
        serials=[unit[0] for unit in units],
        states=["ACTIVE"] * len(units),
        codes=[f"{index:020}" for index in range(len(units))],
        rows=[joined(unit) for unit in units] if columns else [],
    )
    header, *lines = csv.reader(StringIO(csv_slice(found, header=True).data.decode(), newline=""), strict=True)
    assert header == ["index", "unit_id", "serial", "code", "url", "state", *columns]
    return lines


@given(rows)
@example([("A-1", "red", ""), ("A-2", "", "two words")])
@example([("A-1", "red", ""), ("A-2", "", "-1")])
@example([("-1", "red", "x")])
def test_what_a_file_brought_is_in_the_export_again(units: list[tuple[str, str, str]]) -> None:
    expected = [
        [str(7 + at), str(1000 + at), serial, f"{at:020}", f"https://acme.example/r/{at:020}", "ACTIVE", *more]
        for at, (serial, *more) in enumerate(units)
    ]
    assert [[*row[:2], literal(row[2]), *row[3:6], *map(literal, row[6:])] for row in written(list(units))] == expected


@given(st.lists(serials, min_size=1, max_size=4))
@example(["A-1", "A-2"])
@example(["A-1", "=1+1"])
@example(["A-1", "'=1+1"])
def test_serials_alone_are_in_the_export_again_and_none_is_a_formula(units: list[str]) -> None:
    found = written([(serial,) for serial in units])
    assert [literal(row[2]) for row in found] == units
    assert not any(row[2].startswith(("=", "+", "-", "@")) for row in found)
