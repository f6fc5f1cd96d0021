"""Receipts for checkers in any language, each with what it must come to: here the good and the broken ones.

Outcomes are stated by hand. The bytes come from one fixed key, so that every run makes the same.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

from tests.interop.case import BROKEN, CONSISTENT, LARGEST, Case, changed, short, text_of
from tests.interop.malformed_cases import malformed_cases
from tests.interop.receipt_parts import Grown, grow, grow_from_path, on_more_chains, plain_hash_tree
from voketag_kernel.rfc6962 import node_hash


def cases() -> list[Case]:
    """Return every case; no two have one name."""
    return [*_trees(), *_forms_of_one_receipt(), *_several_chains(), *_broken(), *_forged(), *malformed_cases()]


def _good(name: str, grown: Grown, document: bytes | None = None) -> Case:
    return Case(
        name,
        document or text_of(grown.document),
        CONSISTENT,
        None,
        grown.unit_leaf,
        grown.anchor_root,
        grown.anchor_roots,
    )


def _several_chains() -> Iterator[Case]:
    """Receipts with `anchors`, good and broken."""
    two = on_more_chains("main", "side")
    yield _good("anchored on two chains", two)
    yield _good("anchored on one chain beside the default", on_more_chains("side"))
    yield _good("anchored on another chain, and not yet on the default one", on_more_chains("side", default=False))
    yield _good("anchors of no chain", grow(), text_of({**grow().document, "anchors": []}))
    yield _good("a chain's name beyond ASCII", on_more_chains("Åland\U0001f30a"))
    first, second = two.document["anchors"]
    same_chain = replace(two, document={**two.document, "anchors": [first, {**second, "chain_id": 31338}]})
    yield _good("two names for one chain id", same_chain)
    for field, value in (("root", "00" * 32), ("leaf_index", 0), ("tree_size", 0), ("inclusion_path", [])):
        worse = {**two.document, "anchors": [first, {**second, field: value}]}
        yield Case(f"the second chain's {field} is {short(value)}", text_of(worse), BROKEN, "anchors")
    swapped = {**first, "inclusion_path": second["inclusion_path"]}
    yield Case("the path of another chain", text_of({**two.document, "anchors": [swapped]}), BROKEN, "anchors")
    forged = on_more_chains("main", "side", root_prefix="unit").document
    yield Case("a root leaf on the second chain with the prefix of a unit leaf", text_of(forged), BROKEN, "anchors")
    both = changed(two.document, "anchor.root", "00" * 32)
    both = {**both, "anchors": [{**first, "root": "00" * 32}]}
    yield Case("a broken anchor, and broken anchors: the first counts", text_of(both), BROKEN, "anchor")


def _trees() -> Iterator[Case]:
    """Good receipts of every shape of tree."""
    for units, unit in [(1, 0), (2, 0), (2, 1), (3, 2), (5, 0), (5, 3), (5, 4), (6, 5), (7, 6), (8, 7), (1000, 998)]:
        for batches, batch in [(1, 0), (3, 1), (7, 6)]:
            name = f"unit {unit} of {units}, in batch {batch} of {batches}"
            yield _good(name, grow(units=units, unit=unit, batches=batches, batch=batch))
    yield _good("no anchor yet", grow(batches=0))
    yield _good(
        "the largest trees that there can be",
        grow_from_path(units=LARGEST, unit=LARGEST - 5, batches=LARGEST, batch=1 << 62),
    )


def _forms_of_one_receipt() -> Iterator[Case]:
    """Good receipts whose texts differ from the platform's own form."""
    plain = grow()
    yield _good("spaces and new lines", plain, json.dumps(plain.document, indent=3).encode() + b"\r\n\t ")
    yield _good("names in another order", plain, text_of(dict(reversed(plain.document.items()))))
    upper = {
        **plain.document,
        "salt": plain.document["salt"].upper(),
        "batch_root": plain.document["batch_root"].upper(),
    }
    upper["anchor"] = {**plain.document["anchor"], "contract": "0x" + "AB" * 20}
    yield _good("hex in capitals", plain, text_of(upper))
    yield _good("an escaped letter", plain, text_of(plain.document).replace(b'"S3"', rb'"\u00533"'))
    yield _good(
        "minus zero is zero", grow(unit=0), text_of(grow(unit=0).document).replace(b'_index":0', b'_index":-0', 1)
    )
    yield _good("the largest block number", grow(block_number=LARGEST))
    yield _good("an empty serial", grow(serial=""))
    yield _good("a serial with a zero byte", grow(serial="S\0003"))
    spoken = grow(serial="Nº 3 \U0001f9f4", facts={"brand": "Açaí & Søn", "product_name": "化粧水", "v": 1})
    yield _good("texts beyond ASCII", spoken)
    yield _good("texts beyond ASCII, escaped", spoken, json.dumps(spoken.document).encode())
    yield _good("facts with spaces are hashed with them", grow(facts='{ "v" : 1,\n "quantity" : 5 }'))
    yield _good("facts with members of another version", grow(facts={"v": 2, "origin": {"plants": ["a", None, 1.5]}}))
    yield _good("facts with an escape are hashed with it", grow(facts=r'{"brand":"\u0041","quantity":5}'))


def _broken() -> Iterator[Case]:
    """Well-formed receipts that somebody changed."""
    good = grow().document
    facts = good["batch_facts"]
    path = good["inclusion_path"]
    anchor_path = good["anchor"]["inclusion_path"]
    quantities = ["6", '"5"', "5.0", "5e0", "-5", "null", "true", "[5]", "9223372036854775813", "50e-1"]
    for quantity in quantities:
        other = facts.replace('"quantity":5', f'"quantity":{quantity}')
        yield Case(f"the facts' quantity is {quantity}", text_of({**good, "batch_facts": other}), BROKEN, "facts")
    yield Case("facts without a quantity", text_of({**good, "batch_facts": '{"v":1}'}), BROKEN, "facts")
    yield Case("no facts", text_of({**good, "batch_facts": "{}"}), BROKEN, "facts")
    changes: list[tuple[str, str, object]] = [
        ("facts", "tree_size", 4),
        ("facts", "tree_size", LARGEST),
        ("unit", "serial", "S4"),
        ("unit", "serial", "S3 "),
        ("unit", "code", grow(unit=4).document["code"]),
        ("unit", "salt", "00" * 16),
        ("unit", "batch_facts", facts.replace('"v":1', '"v":2')),
        ("unit", "batch_facts", facts + " "),
        ("unit", "batch_root", "00" * 32),
        ("unit", "leaf_index", 2),
        ("unit", "leaf_index", 5),
        ("unit", "leaf_index", 11),  # 1011 in binary: who reads bits without a look at the size goes the right way
        ("unit", "leaf_index", LARGEST),
        ("unit", "inclusion_path", []),
        ("unit", "inclusion_path", path[1:]),
        ("unit", "inclusion_path", path[:-1]),
        ("unit", "inclusion_path", [*path, "00" * 32]),
        ("unit", "inclusion_path", path[::-1]),
        ("anchor", "anchor.root", "00" * 32),
        ("anchor", "anchor.leaf_index", 0),
        ("anchor", "anchor.leaf_index", 3),
        ("anchor", "anchor.leaf_index", 5),
        ("anchor", "anchor.tree_size", 0),
        ("anchor", "anchor.tree_size", 9),
        ("anchor", "anchor.inclusion_path", []),
        ("anchor", "anchor.inclusion_path", anchor_path[::-1]),
        ("anchor", "anchor.inclusion_path", [*anchor_path, "00" * 32]),
    ]
    for link, field, value in changes:
        yield Case(f"{field} is {short(value)}", text_of(changed(good, field, value)), BROKEN, link)
    nobody = grow(units=1, unit=0, facts='{"quantity":0}')
    yield Case("a tree of no leaves", text_of({**nobody.document, "tree_size": 0}), BROKEN, "unit")
    alone = grow(units=1, unit=0).document
    yield Case("a path in a tree of one", text_of({**alone, "inclusion_path": ["00" * 32]}), BROKEN, "unit")
    both = changed({**good, "serial": "S4"}, "anchor.root", "00" * 32)
    yield Case("two broken links: the first counts", text_of(both), BROKEN, "unit")
    fits = replace(grow(), document=changed(good, "anchor.tree_size", 4))
    yield _good("the anchor's path fits two sizes: only the chain knows the one", fits)


def _forged() -> Iterator[Case]:
    """Receipts made to pass checks that leave something out."""
    good = grow(batches=0)
    extra = b"\x5a" * 32
    longer = {
        **good.document,
        "inclusion_path": [*good.document["inclusion_path"], extra.hex()],
        "batch_root": node_hash(bytes.fromhex(good.document["batch_root"]), extra).hex(),
    }
    yield Case("a path that goes on above the root", text_of(longer), BROKEN, "unit")
    short = grow(units=5, unit=4, batches=0, facts='{"quantity":6}')
    yield Case("five leaves that are said to be six", text_of({**short.document, "tree_size": 6}), BROKEN, "unit")
    yield Case("leaves hashed without their 0x00", text_of(plain_hash_tree(leaf_prefix=b"")), BROKEN, "unit")
    yield Case("nodes hashed without their 0x01", text_of(plain_hash_tree(node_prefix=b"")), BROKEN, "unit")
    yield Case("a unit leaf with the prefix of a root leaf", text_of(grow(unit_prefix="root").document), BROKEN, "unit")
    yield Case(
        "a root leaf with the prefix of a unit leaf", text_of(grow(root_prefix="unit").document), BROKEN, "anchor"
    )
    yield Case("a root anchored with another size", text_of(grow(anchored_size=6).document), BROKEN, "anchor")
    yield Case("a root anchored without its size", text_of(grow(anchored_size=None).document), BROKEN, "anchor")
