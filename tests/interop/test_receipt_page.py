"""The worked example of docs/receipts.md, recomputed by hand: with hashlib, and nothing of ours."""

import json
import re
from base64 import urlsafe_b64decode
from hashlib import sha256
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "receipts.md").read_text(encoding="utf-8")


def digest(data: bytes) -> bytes:
    return sha256(data).digest()


def test_the_bytes_on_the_example_s_way_are_those_of_its_table() -> None:
    receipt = json.loads(re.search(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1])  # type: ignore[index]
    rows = re.findall(r"^\| ([^|]+) \| `([0-9a-f]+)` \|$", PAGE, re.MULTILINE)
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
