"""Keys that everybody knows sign only at home."""

from pathlib import Path

import pytest

from deploy.local.anvil import DEVELOPMENT_KEY
from services.anchor.signer import load_signer


def key_file(folder: Path, key: str, mode: int = 0o600) -> Path:
    path = folder / "chain.key"
    path.write_text(key)
    path.chmod(mode)
    return path


def test_a_published_key_signs_locally_and_nowhere_else(tmp_path: Path) -> None:
    path = key_file(tmp_path, DEVELOPMENT_KEY)
    assert load_signer(path, local=True).address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    with pytest.raises(ValueError, match="published development key"):
        load_signer(path, local=False)


def test_a_key_of_ones_own_signs_anywhere(tmp_path: Path) -> None:
    path = key_file(tmp_path, "17" * 32)
    assert load_signer(path, local=False).address == load_signer(path, local=True).address


def test_a_file_that_others_may_read_is_good_enough_only_locally(tmp_path: Path) -> None:
    path = key_file(tmp_path, "17" * 32, mode=0o644)
    load_signer(path, local=True)
    with pytest.raises(ValueError, match="chmod 600"):
        load_signer(path, local=False)
