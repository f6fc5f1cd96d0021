"""The worked examples of docs/receipts.md, recomputed by hand: with hashlib and an Ed25519, and nothing of ours."""

import json
import re
from base64 import b64decode, urlsafe_b64decode
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAGE = (Path(__file__).parents[2] / "docs" / "receipts.md").read_text(encoding="utf-8")


def digest(data: bytes) -> bytes:
    return sha256(data).digest()


def rows_of(part: str) -> list[tuple[str, str]]:
    return re.findall(r"^\| ([^|]+) \| `([0-9a-f]+)` \|$", part, re.MULTILINE)


def test_the_bytes_on_the_example_s_way_are_those_of_its_table() -> None:
    receipt = json.loads(re.search(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1])  # type: ignore[index]
    rows = rows_of(PAGE.partition("# Proofs from the ledger")[0])
    code, facts = urlsafe_b64decode(receipt["code"]), digest(receipt["batch_facts"].encode())
    data = b"voketag/unit/v1\0" + bytes.fromhex(receipt["salt"]) + code + facts + receipt["serial"].encode()
    path = [bytes.fromhex(node) for node in receipt["inclusion_path"]]
    leaf = digest(b"\0" + data)
    first = digest(b"\1" + path[0] + leaf)
    second = digest(b"\1" + path[1] + first)
    root = digest(b"\1" + second + path[2])
    root_data = b"voketag/root/v1\0" + root + (5).to_bytes(8, "big")
    steps = [code, facts, data, leaf, first, second, root, root_data, digest(b"\0" + root_data)]
    assert [shown for _, shown in rows] == [step.hex() for step in steps]
    assert (f"{len(data)} bytes" in rows[2][0], f"{len(root_data)} bytes" in rows[7][0]) == (True, True)


def test_the_example_of_a_proof_is_signed_and_leads_to_its_root() -> None:
    part = PAGE.partition("# Proofs from the ledger")[2]
    name, stated, encoded = re.search(r"Its key is `([^`]+)`", part)[1].split("+", 2)  # type: ignore[index]
    proof = re.search(r"^```text\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)[1]  # type: ignore[index]
    head, text, signature = proof.split("\n\n")
    _, extra, index, *path = head.split("\n")
    key, signed = b64decode(encoded), b64decode(signature.split(" ")[2])
    assert digest(name.encode() + b"\n" + key)[:4].hex() == stated == signed[:4].hex()
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signed[4:], f"{text}\n".encode())
    entry = b64decode(extra.split(" ")[1])
    leaf = digest(b"\0" + entry)
    first = digest(b"\1" + b64decode(path[0]) + leaf)
    root = digest(b"\1" + first + b64decode(path[1]))
    assert text.split("\n") == [name, "3", text.split("\n")[2]]
    assert b64decode(text.split("\n")[2]) == root
    assert (index, entry[16:24]) == ("index 1", (1).to_bytes(8, "big"))
    assert [shown for _, shown in rows_of(part)] == [step.hex() for step in (leaf, first, root)]
