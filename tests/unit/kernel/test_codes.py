"""Unit codes against the vectors, and against everything that is not a code."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voketag_kernel import codes
from voketag_kernel.receipts import unit_leaf_data
from voketag_kernel.rfc6962 import leaf_hash

SECRET = bytes(range(32))
KEY = codes.UnitCodeKey(1, SECRET)
numbers = st.integers(0, 2**40 - 1)


def test_every_vector_is_minted(vectors: dict[str, Any]) -> None:
    for vector in vectors["codes"]:
        minted = codes.UnitCodeKey(vector["key_id"], SECRET).mint(vector["number"])
        assert minted.unit_id == vector["unit_id"]
        assert minted.code == vector["code"]
        assert minted.raw.hex() == vector["raw"]
        assert minted.salt.hex() == vector["salt"]


def test_every_vector_is_opened_to_its_unit(vectors: dict[str, Any]) -> None:
    ring = codes.KeyRing(codes.UnitCodeKey(key_id, SECRET) for key_id in {v["key_id"] for v in vectors["codes"]})
    for vector in vectors["codes"]:
        assert ring.open(vector["code"]) == vector["unit_id"]


def test_codes_that_are_not_ours_are_unknown(vectors: dict[str, Any]) -> None:
    ring = codes.KeyRing([KEY])
    for rejected in vectors["rejected_as_unknown"]:
        assert ring.open(rejected["code"]) is None, rejected["why"]


def test_texts_that_are_no_codes_are_malformed(vectors: dict[str, Any]) -> None:
    for text in vectors["rejected_as_malformed"]:
        with pytest.raises(codes.MalformedCode):
            codes.parse(text)


@given(numbers)
def test_a_minted_code_opens_to_its_number_and_only_under_its_key(number: int) -> None:
    minted = KEY.mint(number)
    assert len(minted.code) == codes.CODE_LENGTH
    assert codes.KeyRing([KEY]).open(minted.code) == codes.unit_id_of(1, number)
    assert codes.split_unit_id(minted.unit_id) == (1, number)
    assert codes.KeyRing([codes.UnitCodeKey(1, SECRET[::-1])]).open(minted.code) is None
    assert codes.KeyRing([codes.UnitCodeKey(2, SECRET)]).open(minted.code) is None


@given(numbers, st.integers(0, 119))
def test_a_code_with_any_bit_changed_is_unknown(number: int, bit: int) -> None:
    raw = int.from_bytes(KEY.mint(number).raw) ^ (1 << bit)
    assert codes.KeyRing([KEY]).open(codes.encode(raw.to_bytes(15))) is None


@given(st.text())
def test_any_text_is_either_a_code_or_malformed(text: str) -> None:
    try:
        parsed = codes.parse(text)
    except codes.MalformedCode:
        return
    assert codes.encode(parsed.key_id.to_bytes(2) + parsed.sealed + parsed.tag) == text


@given(st.integers(0, 2**40 - 10), st.lists(st.text(max_size=20), min_size=1, max_size=9))
def test_the_bulk_path_hashes_the_same_leaves_as_the_plain_one(first: int, serials: list[str]) -> None:
    facts = sha256(b"facts").digest()
    plain = b""
    for number, serial in enumerate(serials, first):
        minted = KEY.mint(number)
        plain += leaf_hash(unit_leaf_data(salt=minted.salt, raw_code=minted.raw, facts_hash=facts, serial=serial))
    assert KEY.leaf_hashes(first, [serial.encode() for serial in serials], facts) == plain


def test_a_batch_s_leaves_are_those_of_the_vectors(vectors: dict[str, Any]) -> None:
    batch = vectors["batch"]
    facts = sha256(batch["facts"].encode()).digest()
    for offset, unit in enumerate(batch["units"]):
        minted = KEY.mint(batch["first_number"] + offset)
        data = unit_leaf_data(salt=minted.salt, raw_code=minted.raw, facts_hash=facts, serial=unit["serial"])
        assert minted.code == unit["code"]
        assert data.hex() == unit["leaf_data"]
        assert leaf_hash(data).hex() == unit["leaf_hash"]


@pytest.mark.parametrize(("key_id", "secret"), [(0, SECRET), (65536, SECRET), (1, SECRET[:31])])
def test_a_key_out_of_range_or_with_a_short_secret_is_refused(key_id: int, secret: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        codes.UnitCodeKey(key_id, secret)


def test_numbers_beyond_forty_bits_are_refused() -> None:
    with pytest.raises(OverflowError):
        KEY.mint(2**40)


def test_a_key_opens_no_code_that_names_another() -> None:
    parsed = codes.parse(KEY.mint(5).code)
    assert KEY.open(parsed) == 5
    assert KEY.open(replace(parsed, key_id=2)) is None


def test_a_range_s_codes_are_those_of_its_units() -> None:
    assert list(KEY.codes(7, 3)) == [KEY.mint(number).code for number in (7, 8, 9)]


def test_two_keys_of_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="two keys have the id 1"):
        codes.KeyRing([KEY, codes.UnitCodeKey(1, SECRET[::-1])])


def test_a_ring_maps_key_ids_to_keys() -> None:
    ring = codes.KeyRing([KEY])
    assert dict(ring) == {1: KEY}
    assert len(ring) == 1
    assert 2 not in ring


def test_the_stand_in_for_unknown_keys_opens_nothing() -> None:
    stand_in = codes.UnitCodeKey(codes.MAX_KEY_ID, bytes(32))
    assert codes.KeyRing([KEY]).open(stand_in.mint(5).code) is None
    assert codes.KeyRing([]).open(stand_in.mint(5).code) is None


def test_a_key_shows_no_secret() -> None:
    assert SECRET.hex() not in repr(KEY)
    assert str(SECRET) not in repr(KEY)
    assert not hasattr(KEY, "__dict__")
