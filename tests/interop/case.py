"""A case, and what bends a receipt's document into one."""

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
CONSISTENT, BROKEN, MALFORMED = "consistent", "broken", "malformed"
LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Case:
    """One receipt. `link` is set for BROKEN; `unit_leaf` and the roots of its anchors for CONSISTENT."""

    name: str
    document: bytes
    outcome: str
    link: str | None = None
    unit_leaf: bytes | None = None
    anchor_root: bytes | None = None
    anchor_roots: tuple[bytes, ...] = ()


def text_of(document: Document) -> bytes:
    """Return the receipt's text without spaces."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def changed(document: Document, path: str, value: object) -> Document:
    """Return a copy with another value at a path such as `anchor.root`."""
    copy = deepcopy(document)
    *parents, name = path.split(".")
    place = copy
    for parent in parents:
        place = place[parent]
    place[name] = value
    return copy


def without(document: Document, path: str) -> Document:
    """Return a copy without what stands at a path."""
    copy = deepcopy(document)
    *parents, name = path.split(".")
    place = copy
    for parent in parents:
        place = place[parent]
    del place[name]
    return copy


def value_of(document: Document, path: str) -> object:
    """Return what stands at a path."""
    value: Any = document
    for name in path.split("."):
        value = value[name]
    return value


def short(value: object) -> str:
    """Return a value as it stands in JSON, cut for a name."""
    text = json.dumps(value)
    return text if len(text) <= 72 else f"{text[:24]}...{text[-24:]} ({len(text)} characters)"
