"""What a batch's units must be, computed one by one from the definitions, without the code that issues them."""

from dataclasses import dataclass

from services.factory.model.batches import Batch
from tests.storage.factory_batches.conftest import KEY_ID, SECRET
from voketag_kernel import rfc6962
from voketag_kernel.codes import UnitCodeKey
from voketag_kernel.receipts import facts_hash, unit_leaf_data


@dataclass(frozen=True)
class StoredUnits:
    """A batch's rows in the order of their ids."""

    ids: list[int]
    serials: list[str]


def stored_units(sql, batch: Batch) -> StoredUnits:
    """Read a batch's units."""
    query = f"SELECT unit_id, serial FROM factory.units WHERE batch_id = '{batch.batch_id}' ORDER BY 1"  # noqa: S608 - our own value
    lines = sql(query).split()
    rows = [line.split("|") for line in lines]
    return StoredUnits(ids=[int(unit_id) for unit_id, _ in rows], serials=[serial for _, serial in rows])


def expected_root(batch: Batch, serials: list[str]) -> bytes:
    """Return the root over leaves that are made as architecture.md, section 6, says."""
    assert batch.facts is not None
    key, facts = UnitCodeKey(KEY_ID, SECRET), facts_hash(batch.facts)
    leaves = []
    for index, serial in enumerate(serials):
        minted = key.mint(batch.range.first_number + index)
        leaf = unit_leaf_data(salt=minted.salt, raw_code=minted.raw, facts_hash=facts, serial=serial)
        leaves.append(rfc6962.leaf_hash(leaf))
    return rfc6962.root(leaves)
