"""A server's derivation: the reference until compiled code is there, and for good where none can be."""

from pathlib import Path

import pytest

from services.factory.derivation import REFERENCE, Lanes
from services.factory.fast_derivation import FastDerivation


async def test_the_reference_does_the_work_until_compiled_code_is_loaded() -> None:
    async with FastDerivation() as derivation:
        assert derivation.current is REFERENCE
        loaded = await derivation.loaded()
        assert isinstance(loaded, Lanes)
        assert derivation.current is loaded


async def test_where_nothing_compiles_the_reference_goes_on_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['numba'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with FastDerivation() as derivation:
        assert await derivation.loaded() is REFERENCE
    told = capsys.readouterr()
    assert "numba" in told.out + told.err


async def test_a_server_that_stops_waits_for_no_compiler() -> None:
    async with FastDerivation() as derivation:
        assert derivation.current is REFERENCE
    assert derivation.current is REFERENCE


async def test_a_server_without_exports_loads_nothing() -> None:
    async with FastDerivation() as derivation:
        pass
    assert derivation._loading is None
