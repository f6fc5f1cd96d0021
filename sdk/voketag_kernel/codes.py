"""Unit codes, version 1: 20 characters that name a unit and prove that its key issued it.

    F      = HMAC-SHA256(K_mac, key_id(2) || number(5))         tag = F[0:8], salt = F[8:24]
    sealed = number(5) XOR HMAC-SHA256(K_seal, key_id(2) || tag)[0:5]
    code   = base64url(key_id(2) || sealed(5) || tag(8))

Integers are big-endian; K_mac and K_seal come from the key's secret by HKDF-SHA256 (RFC 5869) with an empty salt.
The seal hides how many units were made. The 64-bit tag is enough because guesses are online and rate-limited. The
salt is never printed; it blinds the unit's leaf in the batch tree. Printed codes live for decades: nothing here may
ever change.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

NUMBER_BITS: Final = 40
MAX_KEY_ID: Final = 0xFFFF
CODE_LENGTH: Final = 20
RAW_LENGTH: Final = 15
SALT_LENGTH: Final = 16
MIN_SECRET_LENGTH: Final = 32
UNIT_LEAF_PREFIX: Final = b"voketag/unit/v1\0"
_CODES_AT_ONCE: Final = 1024
_FORM = re.compile(r"[A-Za-z0-9_-]{20}")
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


class MalformedCode(ValueError):
    """Not the form of a unit code: exactly 20 characters of the base64url alphabet (RFC 4648, section 5)."""

    def __init__(self) -> None:
        super().__init__("a unit code has exactly 20 characters of A-Z a-z 0-9 - _")


@dataclass(frozen=True, slots=True)
class ParsedCode:
    """A code's three parts, not yet held against a key."""

    key_id: int
    sealed: bytes
    tag: bytes


@dataclass(frozen=True, slots=True)
class MintedCode:
    """A unit's code: `code` as printed, `raw` its 15 bytes, `salt` the 16 bytes that blind its leaf."""

    unit_id: int
    code: str
    raw: bytes
    salt: bytes


def parse(code: str) -> ParsedCode:
    """Split a code; MalformedCode unless it has the exact form. Twenty characters are fifteen bytes: no slack bits."""
    raw = raw_of(code)
    return ParsedCode(key_id=int.from_bytes(raw[:2]), sealed=raw[2:7], tag=raw[7:])


def raw_of(code: str) -> bytes:
    """Return the 15 bytes of a code; MalformedCode unless it has the exact form."""
    if not _FORM.fullmatch(code):
        raise MalformedCode
    return base64.urlsafe_b64decode(code)


def encode(raw: bytes) -> str:
    """Return the printed form of a code's 15 bytes."""
    return base64.urlsafe_b64encode(raw).decode("ascii")


def unit_id_of(key_id: int, number: int) -> int:
    """Return the 56-bit id of a unit."""
    return key_id << NUMBER_BITS | number


def split_unit_id(unit_id: int) -> tuple[int, int]:
    """Return (key_id, number) of a unit's id."""
    return unit_id >> NUMBER_BITS, unit_id & ((1 << NUMBER_BITS) - 1)


class _Hmac:
    """HMAC-SHA256 (RFC 2104) with the key's two pad blocks hashed once: each use copies two states."""

    __slots__ = ("inner", "outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self.inner = sha256(block.translate(_INNER_PAD))
        self.outer = sha256(block.translate(_OUTER_PAD))

    def digest(self, message: bytes) -> bytes:
        inner = self.inner.copy()
        inner.update(message)
        outer = self.outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class UnitCodeKey:
    """One signing key: mints codes and opens them. It never changes and never shows its secret."""

    __slots__ = ("_mac", "_mac_key", "_prefix", "_seal", "_seal_key", "key_id")

    def __init__(self, key_id: int, secret: bytes) -> None:
        """`key_id` is 1..65535; `secret` has at least 32 bytes. ValueError otherwise."""
        if not 1 <= key_id <= MAX_KEY_ID:
            raise ValueError(f"key id {key_id} is not in 1..{MAX_KEY_ID}")
        if len(secret) < MIN_SECRET_LENGTH:
            raise ValueError(f"the secret of key {key_id} has {len(secret)} bytes; it needs {MIN_SECRET_LENGTH}")
        self.key_id: Final = key_id
        self._prefix: Final = key_id.to_bytes(2)
        self._mac_key: Final = _hkdf(secret, b"voketag/v1/mac")
        self._seal_key: Final = _hkdf(secret, b"voketag/v1/seal")
        self._mac: Final = _Hmac(self._mac_key)
        self._seal: Final = _Hmac(self._seal_key)

    def hmac_keys(self) -> tuple[bytes, bytes]:
        """Return (K_mac, K_seal), as secret as the key itself: for code that hashes many units at once."""
        return self._mac_key, self._seal_key

    def mint(self, number: int) -> MintedCode:
        """Return the code of a unit; `number` is 0..2^40 - 1."""
        unit = number.to_bytes(5)
        mac = self._mac.digest(self._prefix + unit)
        tag = mac[:8]
        raw = self._prefix + _xor5(unit, self._seal.digest(self._prefix + tag)) + tag
        return MintedCode(unit_id=unit_id_of(self.key_id, number), code=encode(raw), raw=raw, salt=mac[8:24])

    def open(self, parsed: ParsedCode) -> int | None:
        """Return the unit's number, None when the tag is not this key's. Constant time in what failed."""
        unit = _xor5(parsed.sealed, self._seal.digest(self._prefix + parsed.tag))
        expected = self._mac.digest(self._prefix + unit)[:8]
        if hmac.compare_digest(expected, parsed.tag) and parsed.key_id == self.key_id:
            return int.from_bytes(unit)
        return None

    def codes(self, first_number: int, count: int) -> Iterator[str]:
        """Yield the printed codes of a range, in order: the same as `mint` one by one, without its objects."""
        prefix = self._prefix
        mac_inner, mac_outer = self._mac.inner.copy, self._mac.outer.copy
        seal_inner, seal_outer = self._seal.inner.copy, self._seal.outer.copy
        end = first_number + count
        for start in range(first_number, end, _CODES_AT_ONCE):
            raws = []
            for number in range(start, min(start + _CODES_AT_ONCE, end)):
                inner = mac_inner()
                inner.update(prefix + number.to_bytes(5))
                outer = mac_outer()
                outer.update(inner.digest())
                tag = outer.digest()[:8]
                inner = seal_inner()
                inner.update(prefix + tag)
                outer = seal_outer()
                outer.update(inner.digest())
                raws.append(prefix + (number ^ int.from_bytes(outer.digest()[:5])).to_bytes(5) + tag)
            printed = encode(b"".join(raws))  # 15 bytes are 20 letters, so that they can be encoded together
            for at in range(0, len(printed), CODE_LENGTH):
                yield printed[at : at + CODE_LENGTH]

    def leaf_hashes(self, first_number: int, serials: Iterable[bytes], facts_hash: bytes) -> bytes:
        """Return the RFC 6962 leaf hashes of consecutive units, 32 bytes each: what issuing a batch comes down to.

        The same as `leaf_hash(unit_leaf_data(salt, raw, facts_hash, serial))` unit by unit, without its objects: this
        loop is most of the time that a batch of a million takes.
        """
        prefix = self._prefix
        mac_inner, mac_outer = self._mac.inner.copy, self._mac.outer.copy
        seal_inner, seal_outer = self._seal.inner.copy, self._seal.outer.copy
        leaf_start = sha256(b"\0" + UNIT_LEAF_PREFIX).copy
        hashes = []
        for number, serial in enumerate(serials, first_number):
            unit = number.to_bytes(5)
            inner = mac_inner()
            inner.update(prefix + unit)
            outer = mac_outer()
            outer.update(inner.digest())
            mac = outer.digest()
            tag = mac[:8]
            inner = seal_inner()
            inner.update(prefix + tag)
            outer = seal_outer()
            outer.update(inner.digest())
            sealed = (number ^ int.from_bytes(outer.digest()[:5])).to_bytes(5)
            leaf = leaf_start()
            leaf.update(mac[8:24] + prefix + sealed + tag + facts_hash + serial)
            hashes.append(leaf.digest())
        return b"".join(hashes)


class KeyRing(Mapping[int, UnitCodeKey]):
    """The keys of an installation, by key id."""

    __slots__ = ("_keys", "_nobody")

    def __init__(self, keys: Iterable[UnitCodeKey]) -> None:
        """Take the keys; ValueError when two have one id."""
        self._keys: Final[dict[int, UnitCodeKey]] = {}
        for key in keys:
            if self._keys.setdefault(key.key_id, key) is not key:
                raise ValueError(f"two keys have the id {key.key_id}")
        # Opens codes whose key is not ours, so that they take the same time as codes that fail their tag.
        self._nobody: Final = UnitCodeKey(MAX_KEY_ID, bytes(MIN_SECRET_LENGTH))

    def __getitem__(self, key_id: int) -> UnitCodeKey:
        """Return a key; KeyError when the ring has none of that id."""
        return self._keys[key_id]

    def __iter__(self) -> Iterator[int]:
        """Iterate over the key ids."""
        return iter(self._keys)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._keys)

    def open(self, code: str) -> int | None:
        """Return the unit id of a printed code, None when it is not one of ours; MalformedCode for any other text."""
        parsed = parse(code)
        key = self._keys.get(parsed.key_id)
        number = (key or self._nobody).open(parsed)
        return None if key is None or number is None else unit_id_of(parsed.key_id, number)


def _hkdf(secret: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) with an empty salt and one block of output."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def _xor5(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right[:5])).to_bytes(5)
