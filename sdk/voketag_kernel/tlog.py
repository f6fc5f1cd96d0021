"""A tiled transparency log's texts and paths: checkpoints, proofs, resources.

Sources: C2SP tlog-checkpoint, tlog-proof and tlog-tiles (https://c2sp.org). Sizes and indexes count leaves from 0.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voketag_kernel.rfc6962 import HASH_LENGTH, leaf_hash, verify_inclusion
from voketag_kernel.strict import strict_base64
from voketag_kernel.tiles import TILE_WIDTH

PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
_LARGEST: Final = (1 << 63) - 1
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_RESOURCE: Final = re.compile(
    r"tile/(?P<level>[0-9]|[1-5][0-9]|6[0-3]|entries)/"
    r"(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class MalformedLog(ValueError):
    """A checkpoint, proof or path that is not well formed; the message says how."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: so many leaves under that root. `str()` is the text that is signed."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """Return the text: origin, size, root and a newline after each."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the text of a checkpoint; further lines are extensions, and are ignored."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise MalformedLog("a checkpoint has the lines origin, size and root, and no empty one")
        root = _hash(lines[2])
        return cls(origin=lines[0], size=_number(lines[1]), root=root)


@dataclass(frozen=True, slots=True)
class LogProof:
    """That `entry` is leaf `index` of the log that `checkpoint`, a signed note, describes. `str()` is the file.

    The entry travels as the format's extra data: the file is all that a check needs beside the log's key.
    """

    entry: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: str

    def __str__(self) -> str:
        """Return the file."""
        lines = [PROOF_HEADER, f"extra {base64.b64encode(self.entry).decode()}", f"index {self.index}"]
        lines += [base64.b64encode(node).decode() for node in self.path]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def parse(cls, text: str) -> "LogProof":
        """Read the file; MalformedLog when it is none, or has no entry."""
        head, gap, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != PROOF_HEADER or not gap:
            raise MalformedLog(f"a proof begins with {PROOF_HEADER} and has an empty line before its checkpoint")
        if len(lines) < 2 or not lines[0].startswith("extra ") or not lines[1].startswith("index "):
            raise MalformedLog("a proof has the lines extra (the entry) and index")
        path = tuple(_hash(line) for line in lines[2:])
        entry = _base64(lines[0].removeprefix("extra "))
        return cls(entry=entry, index=_number(lines[1].removeprefix("index ")), path=path, checkpoint=checkpoint)

    def verify(self, checkpoint: Checkpoint) -> None:
        """Hold the entry against a checkpoint that was opened already; InvalidProof when it is not in that log."""
        verify_inclusion(
            leaf_hash(self.entry),
            index=self.index,
            size=checkpoint.size,
            path=self.path,
            expected_root=checkpoint.root,
        )


@dataclass(frozen=True, slots=True)
class Resource:
    """A tile (`level` 0 and up) or an entry bundle (`level` None); `width` is 256 for a full one."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __str__(self) -> str:
        """Return its path below the log's prefix."""
        kind = "entries" if self.level is None else str(self.level)
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{'/'.join(groups)}{partial}"

    @classmethod
    def parse(cls, path: str) -> "Resource":
        """Read a path; MalformedLog unless it is written exactly as `str()` writes it."""
        match = _RESOURCE.fullmatch(path)
        if match is None:
            raise MalformedLog("a path reads tile/<level>/<index> or tile/entries/<index>, with .p/<width> if partial")
        level = None if match["level"] == "entries" else int(match["level"])
        index = int(match["index"].replace("x", "").replace("/", ""))
        resource = cls(level=level, index=index, width=int(match["width"] or TILE_WIDTH))
        if str(resource) != path:
            raise MalformedLog("an index is written in groups of three digits, without leading groups of zeros")
        return resource


def bundle(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length as 2 bytes, big-endian."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def _number(text: str) -> int:
    if not _DECIMAL.fullmatch(text) or int(text) > _LARGEST:
        raise MalformedLog("a number is decimal, without sign and leading zeros, and at most 2^63 - 1")
    return int(text)


def _hash(text: str) -> bytes:
    raw = _base64(text)
    if len(raw) != HASH_LENGTH:
        raise MalformedLog("a hash has 32 bytes")
    return raw


def _base64(text: str) -> bytes:
    try:
        return strict_base64(text)
    except ValueError as error:
        raise MalformedLog(str(error)) from error
