"""The fast derivation says what the reference says, and where it cannot, it is not used."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.factory import derivation
from services.factory.derivation import REFERENCE, Lanes, Serials
from voketag_kernel.codes import NUMBER_BITS, UnitCodeKey

pytestmark = pytest.mark.xdist_group("compiles")  # once: the next process finds what this one compiled
VECTORS = Path(__file__).parents[1] / "kernel" / "vectors" / "unit_code_v1.json"
SECRET = bytes(range(32))
keys = st.builds(UnitCodeKey, st.integers(1, 65535), st.binary(min_size=32, max_size=64))
first_numbers = st.integers(0, 2**NUMBER_BITS - 64)
# Around the lengths where a leaf takes another block of SHA-256, and where words and lanes end.
serials = st.lists(st.binary(max_size=20) | st.binary(min_size=36, max_size=70), max_size=40)


@pytest.fixture(scope="module")
def lanes() -> Lanes:
    loaded = derivation.load()
    assert isinstance(loaded.derivation, Lanes), loaded.obstacle
    return loaded.derivation


@settings(deadline=None)
@given(keys, first_numbers, serials, st.binary(min_size=32, max_size=32))
def test_leaves_are_those_of_the_reference(
    lanes: Lanes, key: UnitCodeKey, first_number: int, serials: list[bytes], facts: bytes
) -> None:
    of = Serials.of(serials)
    assert list(of) == serials
    found = lanes.leaf_hashes(key, first_number, of, facts)
    assert found == REFERENCE.leaf_hashes(key, first_number, of, facts)
    assert len(found) == 32 * len(serials)


@settings(deadline=None)
@given(keys, first_numbers, st.integers(0, 40))
def test_codes_are_those_of_the_reference(lanes: Lanes, key: UnitCodeKey, first_number: int, count: int) -> None:
    found = lanes.codes(key, first_number, count)
    assert [code.decode() for code in found] == list(key.codes(first_number, count))
    assert found.tolist() == REFERENCE.codes(key, first_number, count).tolist()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2), st.integers(0, 255), st.integers(0))
def test_tile_roots_are_those_of_the_reference(lanes: Lanes, tiles: int, more: int, seed: int) -> None:
    hashes = Random(seed).randbytes(32 * (256 * tiles + more))  # noqa: S311 - any bytes do
    assert lanes.tile_roots(hashes) == REFERENCE.tile_roots(hashes)
    assert len(lanes.tile_roots(hashes)) == 32 * tiles


def test_every_vector_is_derived(lanes: Lanes) -> None:
    for vector in json.loads(VECTORS.read_text())["codes"]:
        key = UnitCodeKey(vector["key_id"], SECRET)
        assert lanes.codes(key, vector["number"], 1).tolist() == [vector["code"].encode()]


def test_serials_of_one_length_are_the_rows_of_their_letters() -> None:
    of = Serials.of_one_length(np.frombuffer(b"A1B2C3", dtype=np.uint8).reshape(3, 2))
    assert (list(of), len(of), of.lengths.tolist()) == ([b"A1", b"B2", b"C3"], 3, [2, 2, 2])


def test_without_numba_the_reference_does_the_work_and_says_why() -> None:
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "from services.factory import derivation\n"
        "loaded = derivation.load()\n"
        "assert loaded.derivation is derivation.REFERENCE\n"
        "print(loaded.obstacle)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "numba" in done.stdout


def test_compiled_code_that_says_something_else_is_not_used(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    right = lanes._compiled

    def one_bit_off(*asked: Any) -> Any:
        return right.codes(*asked).view(np.uint8).reshape(-1, 20).__xor__(1).view("S20").ravel()

    wrong = SimpleNamespace(**{**vars(right), "codes": one_bit_off})
    monkeypatch.setattr(derivation, "_compiled", lambda: wrong)
    loaded = derivation.load()
    assert loaded.derivation is REFERENCE
    assert "does not agree" in loaded.obstacle
