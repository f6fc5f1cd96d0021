"""Cells of CSV files that a spreadsheet would run as a formula (OWASP, "CSV injection").

A cell that begins with one of `= + - @`, a tab or a line end gets an apostrophe in front when it is written. So does
one that has apostrophes before such a character already, so that the rule can be undone: a reader takes one apostrophe
off every cell that matches `'+[=+\\-@\\t\\r\\n]`. Files that come in are read by the same rule, so that what was
exported can be sent back. Alternative considered: an apostrophe that nobody takes off, as is common. Then an export is
no record of the serials any more.
"""

import re

_RUN = re.compile(r"'*[=+\-@\t\r\n]")
_NEUTRALISED = re.compile(r"'+[=+\-@\t\r\n]")


def neutralised(text: str) -> str:
    """Return a text as it is written into a cell."""
    return f"'{text}" if _RUN.match(text) else text


def literal(cell: str) -> str:
    """Return the text that a cell stands for."""
    return cell[1:] if _NEUTRALISED.match(cell) else cell
