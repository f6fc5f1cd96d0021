"""Codes and leaves of many units: one meaning, two ways to compute it.

`Reference` goes unit by unit through the kernel; it is the definition, and takes about 8 us a unit. `Lanes` hashes
eight units at once in compiled code (`lanes.py`), about 0.6 us. Both give the same bytes, so a batch may be made by
either, chunk by chunk. Where numba is missing, or its code does not compile or does not agree with the reference on
this machine, the reference does the work and `load` says why: a batch is late then, never wrong.

Alternative considered: a C extension. It needs a compiler where the platform is installed, or a wheel for every
machine; numba needs neither and compiles for the processor at hand.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from voketag_kernel.codes import CODE_LENGTH, UnitCodeKey
from voketag_kernel.tiles import FULL_TILE_LENGTH, TILE_HEIGHT, tile_root


@dataclass(frozen=True, slots=True)
class Serials:
    """Serials of consecutive units in one piece: unit i has text[ends[i]:ends[i + 1]], in UTF-8."""

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, serials: Sequence[bytes]) -> Self:
        """Put serials of any lengths together."""
        ends = np.zeros(len(serials) + 1, dtype=np.int64)
        np.cumsum([len(serial) for serial in serials], out=ends[1:])
        # A bytearray, since numba takes an array that cannot be written for another type and compiles once more.
        return cls(np.frombuffer(bytearray(b"".join(serials)), dtype=np.uint8), ends)

    @classmethod
    def of_one_length(cls, letters: NDArray[np.uint8]) -> Self:
        """Take serials of one length, a row each."""
        count, length = letters.shape
        return cls(letters.ravel(), np.arange(count + 1, dtype=np.int64) * length)

    def __len__(self) -> int:
        """Return the number of serials."""
        return len(self.ends) - 1

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the serials."""
        text, ends = self.text.tobytes(), self.ends.tolist()
        for begin, end in pairwise(ends):
            yield text[begin:end]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Bytes of each serial."""
        return np.diff(self.ends)


class Derivation(Protocol):
    """Computes for many units what the kernel defines for one."""

    name: str

    def leaf_hashes(self, key: UnitCodeKey, first_number: int, serials: Serials, facts_hash: bytes) -> bytes:
        """Return the RFC 6962 leaf hashes of consecutive units, 32 bytes each."""
        ...

    def tile_roots(self, hashes: bytes) -> bytes:
        """Return the roots over the full tiles (256 hashes) of a run of hashes, 32 bytes each."""
        ...

    def codes(self, key: UnitCodeKey, first_number: int, count: int) -> NDArray[np.bytes_]:
        """Return the printed codes of consecutive units, an array of S20."""
        ...


class Reference:
    """Unit by unit, in pure Python."""

    name = "reference"

    def leaf_hashes(self, key: UnitCodeKey, first_number: int, serials: Serials, facts_hash: bytes) -> bytes:
        """Return the leaf hashes."""
        return key.leaf_hashes(first_number, serials, facts_hash)

    def tile_roots(self, hashes: bytes) -> bytes:
        """Return the roots over the full tiles."""
        return b"".join(
            tile_root(hashes[at : at + FULL_TILE_LENGTH])
            for at in range(0, len(hashes) - FULL_TILE_LENGTH + 1, FULL_TILE_LENGTH)
        )

    def codes(self, key: UnitCodeKey, first_number: int, count: int) -> NDArray[np.bytes_]:
        """Return the printed codes."""
        return np.array([code.encode() for code in key.codes(first_number, count)], dtype=f"S{CODE_LENGTH}")


class Lanes:
    """Eight units at once. The compiled code holds no interpreter lock, so threads run it side by side."""

    name = "lanes"

    def __init__(self, compiled: ModuleType | Any) -> None:
        """`compiled` is the module `lanes`, which only `load` imports: that takes a second and 100 MiB."""
        self._compiled = compiled
        self._states: dict[UnitCodeKey, Any] = {}

    def leaf_hashes(self, key: UnitCodeKey, first_number: int, serials: Serials, facts_hash: bytes) -> bytes:
        """Return the leaf hashes."""
        lanes = self._compiled
        found = lanes.leaves(self._of(key), key.key_id, first_number, serials.text, serials.ends, facts_hash)
        return bytes(lanes.to_bytes(found))

    def tile_roots(self, hashes: bytes) -> bytes:
        """Return the roots over the full tiles."""
        full = hashes[: len(hashes) // FULL_TILE_LENGTH * FULL_TILE_LENGTH]
        level = self._compiled.to_words(full).reshape(-1, 8)
        for _ in range(TILE_HEIGHT):
            level = self._compiled.parents(level)
        return bytes(self._compiled.to_bytes(level))

    def codes(self, key: UnitCodeKey, first_number: int, count: int) -> NDArray[np.bytes_]:
        """Return the printed codes."""
        found: NDArray[np.bytes_] = self._compiled.codes(self._of(key), key.key_id, first_number, count)
        return found

    def _of(self, key: UnitCodeKey) -> Any:
        if key not in self._states:
            self._states[key] = self._compiled.hmac_states(*key.hmac_keys())
        return self._states[key]


REFERENCE = Reference()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found: the fastest way that works here, and why it is not `Lanes` where it is not."""

    derivation: Derivation
    obstacle: str = ""


def load() -> Loaded:
    """Return the fastest way that agrees with the reference on this machine.

    Takes about a second with numba's cache warm, ten or more seconds of one core where the code is compiled first.
    The cache stands beside `lanes.py`, or in the user's cache folder where that is read-only, or in NUMBA_CACHE_DIR.
    Where nothing can be written, the code is compiled for this process alone.
    """
    try:
        lanes = Lanes(_compiled())
        _compare(lanes)
    except Exception as error:
        # Whatever numba, LLVM or the machine comes up with: units are made without them.
        return Loaded(REFERENCE, f"{type(error).__name__}: {error}")
    return Loaded(lanes)


def _compiled() -> ModuleType:
    try:
        from services.factory import lanes  # noqa: PLC0415 - see Lanes
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        import numba  # noqa: PLC0415

        with tempfile.TemporaryDirectory(prefix="voketag-lanes-") as folder:
            numba.config.CACHE_DIR = folder
            from services.factory import lanes  # noqa: PLC0415

            _compare(Lanes(lanes))  # compiles, while the folder is there
    return lanes


def _compare(lanes: Lanes) -> None:
    """Raise ArithmeticError unless the compiled code says what the reference says, at every edge that it has."""
    key = UnitCodeKey(0x8001, bytes(range(100, 132)))
    serials = Serials.of([bytes((7 * length + place) % 256 for place in range(length)) for length in range(131)])
    number, facts, hashes = (1 << 40) - len(serials), bytes(range(32)), bytes(range(256)) * 96
    if (
        lanes.leaf_hashes(key, number, serials, facts) != REFERENCE.leaf_hashes(key, number, serials, facts)
        or lanes.tile_roots(hashes) != REFERENCE.tile_roots(hashes)
        or lanes.codes(key, number, 21).tolist() != REFERENCE.codes(key, number, 21).tolist()
    ):
        raise ArithmeticError("the compiled code does not agree with the reference on this machine")


def main() -> None:
    """Fill numba's cache: `python -m services.factory.derivation`, for images that are built once and run read-only."""
    loaded = load()
    print(loaded.derivation.name)  # noqa: T201 - a command's answer
    if loaded.obstacle:
        sys.exit(loaded.obstacle)


if __name__ == "__main__":
    main()
