"""A unit's part of a receipt."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class UnitProof:
    """What a receipt says apart from the anchor. Hashes are 32 bytes; the path is in RFC 6962 order."""

    batch_id: UUID
    code: str
    serial: str
    batch_facts: str
    salt: bytes
    leaf_index: int
    tree_size: int
    batch_root: bytes
    inclusion_path: tuple[bytes, ...]
