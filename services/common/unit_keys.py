"""The signing keys of this installation, read from files; the database knows only their ids."""

from pathlib import Path

from voketag_kernel.codes import KeyRing, UnitCodeKey


def load(folder: Path) -> KeyRing:
    """Read every `<key id>.key` of a folder; ValueError names the file that is wrong."""
    keys = [_read(file) for file in sorted(folder.glob("*.key"))]
    if not keys:
        raise ValueError(f"{folder} must hold at least one <key id>.key file of 64 hex digits")
    return KeyRing(keys)


def _read(file: Path) -> UnitCodeKey:
    try:
        return UnitCodeKey(int(file.stem), bytes.fromhex(file.read_text(encoding="ascii").strip()))
    except ValueError as error:
        raise ValueError(f"{file} must be named <key id>.key (1..65535) and hold 64 hex digits") from error
