"""Signed notes and the keys that check them (C2SP signed-note, https://c2sp.org/signed-note).

A note is a text and signature lines; a signature covers the text with its last newline. Ed25519 itself is not here:
the standard library has none, so callers give a function that signs or checks 64-byte signatures (RFC 8032).
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from voketag_kernel.strict import strict_base64

ED25519: Final = b"\x01"
_DASH: Final = "\u2014 "
_SIGNATURE_LENGTH: Final = 64
_MOST_SIGNATURES: Final = 100
_LONGEST_NOTE: Final = 1_000_000

Sign = Callable[[bytes], bytes]
"""Signs a message with Ed25519: 64 bytes."""
Check = Callable[[bytes, bytes, bytes], bool]
"""Whether (public key, message, signature) holds."""


class MalformedNote(ValueError):
    """Not a signed note; the message says why."""


class NoteNotSigned(ValueError):
    """No signature of the key that is trusted, or one that does not hold."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and an Ed25519 public key of 32 bytes, written `<name>+<hash>+<base64>` (a "vkey")."""

    name: str
    public_key: bytes

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes that name the key in a signature line."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        """Return the vkey."""
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a vkey; MalformedNote when it is none, or its hash is not that of its key."""
        name, _, rest = text.partition("+")
        stated, _, encoded = rest.partition("+")
        raw = _base64(encoded)
        if not _is_name(name) or raw[:1] != ED25519 or len(raw) != 1 + 32:
            raise MalformedNote("a verifier key reads <name>+<hash>+<base64 of an Ed25519 key>")
        key = cls(name=name, public_key=raw[1:])
        if key.key_hash.hex() != stated:
            raise MalformedNote("the verifier key's hash is not that of its key")
        return key


def sign_note(text: str, *, key: VerifierKey, sign: Sign) -> str:
    """Return the note: the text, which must end with a newline, and one signature."""
    if not text.endswith("\n") or "\n\n" in text:
        raise MalformedNote("a note's text ends with one newline and has no empty line")
    if not _is_name(key.name):
        raise MalformedNote("a key's name is not empty and has no spaces and no plus sign")
    signature = base64.b64encode(key.key_hash + sign(text.encode())).decode()
    return f"{text}\n{_DASH}{key.name} {signature}\n"


def open_note(note: str, *, key: VerifierKey, check: Check) -> str:
    """Return the text of a note that `key` signed; MalformedNote, or NoteNotSigned."""
    text, lines = _parts(note)
    for name, signature in [_signature(line) for line in lines]:  # all, so that what follows ours is well formed too
        if name == key.name and signature[:4] == key.key_hash:
            if len(signature) == 4 + _SIGNATURE_LENGTH and check(key.public_key, text.encode(), signature[4:]):
                return text
            raise NoteNotSigned(f"the signature of {key.name} does not hold")
    raise NoteNotSigned(f"no signature of {key.name}")


def _parts(note: str) -> tuple[str, Sequence[str]]:
    text, gap, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if len(note) > _LONGEST_NOTE or not gap or not text or lines[-1] or not 1 < len(lines) <= _MOST_SIGNATURES + 1:
        raise MalformedNote("a signed note is a text, an empty line and signature lines")
    if any(ord(char) < 0x20 and char != "\n" for char in note):
        raise MalformedNote("a note has no control characters")
    return text + "\n", lines[:-1]


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _base64(encoded)
    if not line.startswith(_DASH) or not _is_name(name) or len(raw) <= 4:
        raise MalformedNote("a signature line reads '\u2014 <name> <base64>'")
    return name, raw


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(char.isspace() or char < " " for char in name)


def _base64(text: str) -> bytes:
    try:
        return strict_base64(text)
    except ValueError as error:
        raise MalformedNote(str(error)) from error
