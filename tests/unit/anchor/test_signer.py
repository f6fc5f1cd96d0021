"""Keys from files."""

from pathlib import Path

import pytest

from services.anchor.signer import FileSigner

# The published first development account of anvil, Hardhat and Ganache.
KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
CURVE_ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "anchor.key"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [KEY, f"0x{KEY}", f"{KEY.upper()}\n", f"  0x{KEY}\r\n"])
def test_a_key_file_gives_its_address(tmp_path: Path, text: str) -> None:
    assert FileSigner(key_file(tmp_path, text)).address == ADDRESS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused_with_the_repair(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, KEY, mode)
    with pytest.raises(ValueError, match=f"chmod 600 {path}"):
        FileSigner(path)


def test_a_shared_key_file_is_taken_where_that_is_said(tmp_path: Path) -> None:
    assert FileSigner(key_file(tmp_path, KEY, 0o644), allow_shared_file=True).address == ADDRESS


@pytest.mark.parametrize("text", ["", "0x", KEY[:-2], KEY + "00", "zz" * 32, "00" * 32, CURVE_ORDER, "ключ"])
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="holds no private key") as caught:
        FileSigner(key_file(tmp_path, text))
    assert caught.value.__suppress_context__
    assert len(text) < 8 or text not in str(caught.value)


def test_a_signer_does_not_show_its_key(tmp_path: Path) -> None:
    signer = FileSigner(key_file(tmp_path, KEY))
    assert KEY not in repr(signer) + str(signer) + repr(vars(signer))


async def test_signing_follows_the_published_example(tmp_path: Path) -> None:
    """EIP-155's own example: key, transaction and raw bytes stand in its text."""
    signer = FileSigner(key_file(tmp_path, "46" * 32))
    fields = {
        "nonce": 9,
        "gasPrice": 20 * 10**9,
        "gas": 21000,
        "to": "0x3535353535353535353535353535353535353535",
        "value": 10**18,
        "data": b"",
        "chainId": 1,
    }
    assert (await signer.sign(fields)).hex() == (
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
        "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
        "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )
