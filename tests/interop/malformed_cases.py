"""What is no receipt: fields of the wrong form, and texts that no two readers read alike."""

import json
from collections.abc import Callable, Iterator

from tests.interop.case import MALFORMED, Case, changed, short, text_of, value_of, without
from tests.interop.receipt_parts import grow, on_more_chains


def malformed_cases() -> Iterator[Case]:
    """Yield every malformed receipt."""
    yield from _fields()
    yield from _chains()
    yield from _texts()


def _fields() -> Iterator[Case]:
    """Receipts with one field that is missing, unknown, of another type or out of its form."""
    good = grow().document
    numbers = [
        "leaf_index",
        "tree_size",
        "anchor.leaf_index",
        "anchor.tree_size",
        "anchor.chain_id",
        "anchor.block_number",
    ]
    hashes = ["salt", "batch_root", "anchor.root"]
    prefixed = ["anchor.contract", "anchor.tx_hash"]
    texts = ["format", "code", "serial", "batch_facts", *hashes, *prefixed]
    paths = ["inclusion_path", "anchor.inclusion_path"]
    for field in [*good, *(f"anchor.{name}" for name in good["anchor"])]:
        yield Case(f"{field} is missing", text_of(without(good, field)), MALFORMED)
        if field != "anchor":
            yield Case(f"{field} is null", text_of(changed(good, field, None)), MALFORMED)
    wrong: list[tuple[str, object]] = [
        ("format", "voketag-receipt/v2"),
        ("format", "VOKETAG-RECEIPT/V1"),
        ("batch_facts", {}),
    ]
    wrong += [(field, number) for field in numbers for number in (-1, 3.5, 3.0, "3", True, 1 << 63, 10**30, [3])]
    wrong += [(field, 5) for field in texts]
    wrong += [
        (field, path) for field in paths for path in ("00" * 32, [1], [None], ["00" * 31], ["00" * 33], ["zz" * 32], {})
    ]
    wrong += [("anchor", other) for other in ([], {}, False, 0, "")]
    for field in hashes:
        digits = str(value_of(good, field))
        lengths = ["", digits[:-2], digits + "00", digits[:-1], "0x" + digits]
        letters = ["zz" + digits[2:], " " + digits[1:], digits[:2] + "  " + digits[4:], "\uff10" + digits[1:]]
        wrong += [(field, each) for each in lengths + letters]
    for field in prefixed:
        digits = str(value_of(good, field))
        wrong += [
            (field, each) for each in (digits[2:], "0X" + digits[2:], "0x", digits[:-2], digits + "00", "0x" + digits)
        ]
    code = good["code"]
    wrong += [
        ("code", each)
        for each in (
            "",
            code[:-1],
            code + "A",
            code + "=",
            code[:-1] + "+",
            code[:-1] + "/",
            code + "\n",
            code[:-1] + "é",
            code[:-1] + " ",
        )
    ]
    for field, value in wrong:
        yield Case(f"{field} is {short(value)}", text_of(changed(good, field, value)), MALFORMED)
    for field in ("verified", "Salt", "anchor.verified", "anchor.Root"):
        yield Case(f"{field} is not part of the format", text_of(changed(good, field, "yes")), MALFORMED)
    for field in ("salt", "anchor.root"):
        renamed = changed(
            without(good, field), field.replace("salt", "SALT").replace("root", "Root"), value_of(good, field)
        )
        yield Case(f"{field} in capitals", text_of(renamed), MALFORMED)


def _chains() -> Iterator[Case]:
    """Receipts with `anchors` of the wrong form."""
    good = on_more_chains("main", "side").document
    first, second = good["anchors"]
    entries: list[tuple[str, object]] = [(f"without {name}", without(second, name)) for name in second]
    entries += [(f"whose {name} is null", {**second, name: None}) for name in second]
    entries += [
        ("without a name", {**second, "chain": ""}),
        ("whose name is a number", {**second, "chain": 1}),
        ("whose name stands already", {**second, "chain": "main"}),
        ("with a member that is not part of the format", {**second, "verified": True}),
        ("whose root is too short", {**second, "root": "00" * 31}),
        ("whose contract has no 0x", {**second, "contract": "ab" * 20}),
        ("that is null", None),
        ("that is a list", [second]),
        ("that is a text", "side"),
    ]
    for name, entry in entries:
        yield Case(f"anchors with a chain {name}", text_of({**good, "anchors": [first, entry]}), MALFORMED)
    for value in (None, {}, "side", 1, False):
        yield Case(f"anchors is {short(value)}", text_of({**good, "anchors": value}), MALFORMED)
    yield Case("anchor with a chain", text_of(changed(good, "anchor.chain", "main")), MALFORMED)


def _texts() -> Iterator[Case]:
    """What is no JSON, or JSON that two readers can take for two things."""
    document = grow().document
    good = text_of(document)
    facts = str(document["batch_facts"])
    bent: dict[str, Callable[[], bytes]] = {
        "nothing": lambda: b"",
        "null": lambda: b"null",
        "a list": lambda: b"[" + good + b"]",
        "a text": lambda: json.dumps(good.decode()).encode(),
        "half a receipt": lambda: good[: len(good) // 2],
        "two receipts": lambda: good + good,
        "a word after the end": lambda: good + b" true",
        "a comma before the end": lambda: good[:-1] + b",}",
        "a comment": lambda: b"// a receipt\n" + good,
        "single quotes": lambda: good.replace(b'"serial"', b"'serial'"),
        "a byte order mark": lambda: b"\xef\xbb\xbf" + good,
        "UTF-16": lambda: good.decode().encode("utf-16"),
        "a byte that is not UTF-8": lambda: good.replace(b'"S3"', b'"S\xff"'),
        "a surrogate in UTF-8's manner": lambda: good.replace(b'"S3"', b'"S\xed\xa0\x80"'),
        "an overlong zero": lambda: good.replace(b'"S3"', b'"S\xc0\x80"'),
        "a bare control character": lambda: good.replace(b'"S3"', b'"S\n"'),
        "half a surrogate pair": lambda: good.replace(b'"S3"', rb'"S\ud800"'),
        "the other half of a surrogate pair": lambda: good.replace(b'"S3"', rb'"S\udc00"'),
        "a surrogate pair the wrong way round": lambda: good.replace(b'"S3"', rb'"S\udc00\ud800"'),
        "an unknown escape": lambda: good.replace(b'"S3"', rb'"\S3"'),
        "a number with a leading zero": lambda: good.replace(b'_index":3', b'_index":03'),
        "a number with a plus": lambda: good.replace(b'_index":3', b'_index":+3'),
        "a number with an exponent": lambda: good.replace(b'_index":3', b'_index":3e0'),
        "a number in hex": lambda: good.replace(b'_index":3', b'_index":0x3'),
        "no number": lambda: good.replace(b'_index":3', b'_index":NaN'),
        "a name twice": lambda: good[:-1] + b',"serial":"S3"}',
        "a name twice, once escaped": lambda: good[:-1] + rb',"\u0073erial":"S3"}',
        "a name twice in the anchor": lambda: good[:-2] + b',"block_number":7}}',
    }
    for name, make in bent.items():
        made = make()
        assert made != good, name
        yield Case(f"the text is {name}", made, MALFORMED)
    bent_facts: dict[str, str] = {
        "empty": "",
        "half": facts[:-1],
        "a list": "[5]",
        "null": "null",
        "a number": "5",
        "followed by more": facts + "5",
        "with a byte order mark": "\ufeff" + facts,
        "with a name twice": facts.replace("{", '{"quantity":9,', 1),
        "with a name twice, deeper": facts.replace("{", '{"a":[{"b":1,"b":1}],', 1),
        "with NaN": facts.replace("{", '{"a":NaN,', 1),
        "with an infinity": facts.replace("{", '{"a":-Infinity,', 1),
        "with half a surrogate pair": facts.replace("{", '{"a":"\\ud800",', 1),
        "with half a surrogate pair in a name": facts.replace("{", '{"\\udfff":1,', 1),
        "with a bare new line in a text": facts.replace("{", '{"a":"\n",', 1),
    }
    for name, text in bent_facts.items():
        yield Case(f"the facts are {name}", text_of({**document, "batch_facts": text}), MALFORMED)
    worse = {**document, "batch_root": "00" * 32}
    yield Case("malformed facts and a broken link", text_of({**worse, "batch_facts": "{"}), MALFORMED)
    yield Case("a malformed code and a broken link", text_of({**worse, "code": "short"}), MALFORMED)
    yield Case("a malformed anchor and a broken link", text_of(changed(worse, "anchor.root", "")), MALFORMED)
