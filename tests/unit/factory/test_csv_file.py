"""A partner's CSV file, read in pieces: what is right is kept, and what is wrong is named by line and column."""

import csv
from io import StringIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.ids import uuid7
from services.factory.csv_file import CsvFile
from services.factory.model.cells import literal, neutralised
from services.factory.model.imports import MAX_FAULTS, SerialRule
from services.factory.model.serials import generated, serial_of, serial_prefix

GS1, FREE = SerialRule(gs1=True), SerialRule(gs1=False)


def read(data: bytes, *, rule: SerialRule = GS1, piece: int = 1 << 20) -> tuple[CsvFile, list[list[str]], list[int]]:
    """Read a file in pieces of a size; return it, its rows as cells, and their lines."""
    file, rows, lines = CsvFile(rule), [], []
    for start in range(0, len(data), piece):
        for block in file.feed(data[start : start + piece]):
            rows += block.rows
            lines += block.lines
    for block in file.finish():
        rows += block.rows
        lines += block.lines
    return file, [row.split("\x1f") for row in rows], lines


def faults(data: bytes, *, rule: SerialRule = GS1) -> list[tuple[int, int, str]]:
    """Return the faults of a file that has some: line, column, and the column's name."""
    file, _, _ = read(data, rule=rule)
    return [(fault.line, fault.column, fault.column_name) for fault in file.faults]


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("comma", [b",", b";"])
def test_a_file_is_read_however_it_arrives(piece: int, mark: bytes, end: bytes, comma: bytes) -> None:
    lines = [b"serial,colour", b"A-1,red", b'A-2,"say ""hi"", twice"', b"A-3,", 'A-4,"é\nü"'.encode()]
    data = mark + end.join(line.replace(b",", comma, 1) for line in lines)
    file, rows, at = read(data, piece=piece)
    assert file.faults == []
    assert file.columns == ("colour",)
    assert rows == [["A-1", "red"], ["A-2", 'say "hi", twice'], ["A-3", ""], ["A-4", "é\nü"]]
    assert at == [2, 3, 4, 5]


def test_the_serial_is_the_first_cell_of_a_row_whatever_its_column() -> None:
    file, rows, _ = read(b"line;Serial;shift\r\n7;A-1;early\r\n8;A-2;late\r\n")
    assert file.columns == ("line", "shift")
    assert rows == [["A-1", "7", "early"], ["A-2", "8", "late"]]


def test_empty_lines_are_no_rows_and_are_counted_as_lines() -> None:
    _, rows, lines = read(b"serial\n\nA\n\n\nB\n")
    assert (rows, lines) == ([["A"], ["B"]], [3, 6])


def test_each_fault_is_named_by_line_and_column() -> None:
    data = "serial,colour\nA 1,red\n,red\nABCDEFGHIJKLMNOPQRSTU,red\nÄ1,red\nA1\nA1,red,blue\nA2,re\x01d\nA3,x\n"
    assert faults(data.encode()) == [
        (2, 1, "serial"),
        (3, 1, "serial"),
        (4, 1, "serial"),
        (5, 1, "serial"),
        (6, 0, ""),
        (7, 0, ""),
        (8, 2, "colour"),
    ]


def test_a_line_is_that_of_the_file_also_behind_cells_of_several_lines() -> None:
    assert faults(b'serial,note\r\nA,"1\r\n2\r\n3"\r\nB B,x\r\n') == [(5, 1, "serial")]


def test_without_a_gtin_a_serial_has_up_to_64_printable_characters() -> None:
    longest = "é" * 64
    file, rows, _ = read(f"serial\n{longest}\nA 1\n".encode(), rule=FREE)
    assert (file.faults, rows) == ([], [[longest], ["A 1"]])
    assert faults(f"serial\n{longest}x\n A\nA \nA\x07\n".encode(), rule=FREE) == [
        (line, 1, "serial") for line in (2, 3, 4, 5)
    ]


def test_with_a_gtin_a_serial_has_the_characters_of_gs1_ai_21() -> None:
    # GS1 General Specifications, character set 82: all of ASCII's printable characters but these.
    outside = " #$@[\\]^`{|}~"
    allowed = [chr(code) for code in range(33, 127) if chr(code) not in outside]
    assert len(allowed) == 82
    rows = "".join(f'"x{letter.replace(chr(34), chr(34) * 2)}"\n' for letter in allowed)
    assert read(f"serial\n{rows}".encode())[0].faults == []
    for letter in outside:
        assert faults(f"serial\nx{letter}y\n".encode()) == [(2, 1, "serial")]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", 1),
        (b"serial\n", 1),
        (b"serial\tcolour\nA\tred\n", 1),
        (b"\xff\xfes\x00e\x00r\x00", 1),
        (b"colour,size\nred,1\n", 1),
        (b"serial,,x\nA,1,2\n", 1),
        (b"serial,x,X\nA,1,2\n", 1),
        (b'serial,note\nA,1\nB,5" pipe\nC,1\n', 3),
        (b'serial,note\nA,1\nB,"x"y\nC,1\n', 3),
        (b'serial,note\nA,1\nB,"never closed\nC,1\n', 3),
        (b"serial\n" + b"A" * 70_000 + b"\n", 2),
        (b"serial\n\xe9A\n", 2),
        (b"serial\rA\rB\r", 1),
    ],
)
def test_what_is_no_such_file_is_refused_where_it_fails(data: bytes, line: int) -> None:
    file, _, _ = read(data)
    assert [fault.line for fault in file.faults] == [line]


def test_faults_beyond_the_first_thousand_are_counted() -> None:
    file, rows, _ = read(b"serial\n" + b"A B\n" * 5000 + b"good\n")
    assert (len(file.faults), file.total, rows) == (MAX_FAULTS, 5000, [["good"]])


def test_a_file_has_at_most_a_million_rows() -> None:
    file, _, _ = read(b"serial\n" + b"".join(b"%d\n" % number for number in range(1_000_001)))
    assert [(fault.line, fault.column) for fault in file.faults] == [(1_000_002, 0)]


def test_rows_that_are_wrong_count_so_that_a_stream_of_nothing_else_has_an_end() -> None:
    file, _, _ = read(b"serial\n" + b"good\n" * 2 + b"B B\n" * 1_200_000)
    assert (file.total, file.stopped) == (999_999, True)  # 999,998 serials, and the row that is one too many
    assert file.rows == 2


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("serial,descrição".encode("latin-1"), "descri\ufffd\ufffdo"),
        (b"serial,a\0b", "a\ufffdb"),
        (b"serial,\xed\xa0\x80", "\ufffd" * 3),
        ("serial,\u202ered".encode(), "\ufffdred"),
        (b"serial," + b"\xe9" * 100, "\ufffd" * 64),
    ],
)
def test_a_name_of_any_bytes_is_shown_as_a_report_can_hold_it(header: bytes, shown: str) -> None:
    file, _, _ = read(header + b"\nA,1\n")
    assert [(fault.line, fault.column, fault.column_name) for fault in file.faults] == [(1, 2, shown)]


def test_a_header_of_very_many_columns_is_refused_at_once() -> None:
    names = ",".join(f"{number:x}" for number in range(12_000))
    file, _, _ = read(f"serial,{names}\nA\n".encode())
    assert [fault.description for fault in file.faults] == ["the file has 12001 columns; at most 33"]


def test_what_stands_beside_the_serials_of_a_list_does_not_matter() -> None:
    others = [b"index", b"index", b"", b"x" * 65, b"\xff", b"a\0b", *[b"c%d" % number for number in range(40)]]
    data = b",".join([*others, b"Serial"]) + b"\r\n" + b"," * len(others) + b"A-1\r\n"
    file = CsvFile(FREE, attributes=False)
    assert [block.rows for block in (*file.feed(data), *file.finish())] == [["A-1"]]
    twice = CsvFile(FREE, attributes=False)
    assert [*twice.feed(b"serial,Serial\nA,B\n"), *twice.finish()][0].rows == []
    assert [(fault.line, fault.column) for fault in twice.faults] == [(1, 2)]


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\t\n"), max_size=20)


@given(
    st.lists(st.tuples(st.from_regex(r"[A-Z0-9=+'-]{1,20}", fullmatch=True), CELLS, CELLS), min_size=1),
    st.sampled_from(",;"),
    st.integers(1, 60),
)
@example([("=1+1", "@cmd", "'=x")], ",", 5)
def test_what_was_written_as_we_write_it_is_read_as_it_was(rows, delimiter: str, piece: int) -> None:
    written = StringIO()
    writer = csv.writer(written, delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["serial", "a", "b"])
    writer.writerows([neutralised(cell) for cell in row] for row in rows)
    file, found, _ = read(written.getvalue().encode(), piece=piece)
    assert file.faults == []
    assert found == [list(row) for row in rows]


@given(st.text())
@example("'=1")
@example("''''-")
def test_a_neutralised_cell_runs_nowhere_and_can_be_undone(text: str) -> None:
    cell = neutralised(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert literal(cell) == text


class OneByOne(CsvFile):
    """A file whose rows are all read one by one."""

    def _plain_rows(self, block: bytes, text: str, first_line: int) -> None:
        pass


@given(
    st.sampled_from(["serial", "serial,a", "a;serial", "a,serial,b"]),
    st.lists(st.text(st.sampled_from("AB1-,; '\"\r\té\x1f"), max_size=6), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([GS1, FREE]),
    st.booleans(),
)
@example("serial", ["A", "", "B"], "\r\n", GS1, True)
@example("serial,a", ["A,1", "B,2"], "\n", GS1, True)
@example("a,serial,b", ["1,A,2", "", "3,B,"], "\r\n", GS1, True)
@example("a;serial", ['"1";"A"', '"2";B'], "\r\n", GS1, False)
@example("serial,a", ["A,1", "B,2\r3,4"], "\n", GS1, True)
def test_a_block_says_what_its_rows_say_one_by_one(
    header: str, lines: list[str], end: str, rule: SerialRule, attributes: bool
) -> None:
    data = end.join([header, *lines, ""]).encode()
    blocks, rows = CsvFile(rule, attributes=attributes), OneByOne(rule, attributes=attributes)
    found = [
        [
            (row, line)
            for block in (*file.feed(data), *file.finish())
            for row, line in zip(block.rows, block.lines, strict=True)
        ]
        for file in (blocks, rows)
    ]
    assert found[0] == found[1]
    assert (blocks.faults, blocks.total, blocks.rows) == (rows.faults, rows.total, rows.rows)


def test_a_serial_that_was_made_here_says_whose_it_is() -> None:
    batch_id = uuid7()
    found = generated(serial_of(serial_prefix(batch_id), 77_777))
    assert found is not None
    assert (found.batch_id_end, found.index) == (str(batch_id)[-16:], 77_777)
    assert generated("A-1") is None
    assert generated("ABCDEFGHILMNOPQR") is None  # Crockford's base 32 has no I, L, O
