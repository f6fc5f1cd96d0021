"""Rows in PostgreSQL's binary COPY format whose last field is a text of any length.

Rows are laid out as one array, every text as wide as the longest, and the padding is cut out in one pass; rows as
Python tuples take ten times as long. `copy_format` has what stands before and behind them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def texts(values: Sequence[bytes]) -> NDArray[np.bytes_]:
    """Return texts (UTF-8 without NUL) as an array."""
    return np.array(values, dtype=np.bytes_)


def rows(fields: Sequence[tuple[str, bytes | NDArray[Any]]], last: NDArray[np.bytes_]) -> bytes:
    """Return rows without header and trailer.

    `fields` are those before the text: a numpy type (`>i8`, `>i4`, `V16`) with one value for all rows as bytes, or one
    a row as an array.
    """
    count, width = len(last), last.dtype.itemsize
    layout: list[tuple[str, str]] = [("count", ">i2")]
    for number, (kind, _) in enumerate(fields):
        layout += [(f"length{number}", ">i4"), (f"value{number}", kind)]
    layout += [("last_length", ">i4"), ("last", f"V{width}")]
    table = np.empty(count, dtype=np.dtype(layout))
    table["count"] = len(fields) + 1
    for number, (kind, value) in enumerate(fields):
        table[f"length{number}"] = np.dtype(kind).itemsize
        table[f"value{number}"] = np.void(value) if isinstance(value, bytes) else value
    lengths = np.char.str_len(last)
    table["last_length"] = lengths
    table["last"] = last.view(f"V{width}")
    if lengths.min() == width:
        return table.tobytes()
    flat = table.view(np.uint8).reshape(count, table.dtype.itemsize)
    kept = np.arange(table.dtype.itemsize) < (table.dtype.itemsize - width + lengths)[:, None]
    return flat[kept].tobytes()
