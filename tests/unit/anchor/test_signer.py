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


# The test vector of the Web3 Secret Storage definition, with PBKDF2: password, keystore and key stand in its text.
KEYSTORE = """{"crypto": {"cipher": "aes-128-ctr", "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
"ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46", "kdf": "pbkdf2",
"kdfparams": {"c": 262144, "dklen": 32, "prf": "hmac-sha256",
"salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
"mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
"id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}"""
KEYSTORE_PASSWORD = "testpassword"
KEYSTORE_ADDRESS = "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b"


def password_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "anchor.password"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_an_encrypted_keystore_gives_its_address(tmp_path: Path, end: str) -> None:
    password = password_file(tmp_path, KEYSTORE_PASSWORD + end)
    assert FileSigner(key_file(tmp_path, KEYSTORE), password_file=password).address == KEYSTORE_ADDRESS


@pytest.mark.parametrize(
    ("keystore", "password"),
    [
        (KEYSTORE, "wrong"),
        (KEYSTORE, ""),
        (KEYSTORE.replace('"version": 3', '"version": 9'), KEYSTORE_PASSWORD),
        ("{}", ""),
    ],
)
def test_a_keystore_that_cannot_be_decrypted_is_refused_without_showing_the_password(
    tmp_path: Path, keystore: str, password: str
) -> None:
    with pytest.raises(ValueError, match="cannot be decrypted") as caught:
        FileSigner(key_file(tmp_path, keystore), password_file=password_file(tmp_path, password))
    assert caught.value.__suppress_context__
    assert KEYSTORE_PASSWORD not in str(caught.value)


def test_a_keystore_without_its_password_is_refused_with_the_repair(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name the file that holds its password"):
        FileSigner(key_file(tmp_path, KEYSTORE))


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    password = password_file(tmp_path, KEYSTORE_PASSWORD, 0o644)
    with pytest.raises(ValueError, match=f"chmod 600 {password}"):
        FileSigner(key_file(tmp_path, KEYSTORE), password_file=password)


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
