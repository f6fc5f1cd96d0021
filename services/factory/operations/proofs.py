"""What Factory knows of a unit's receipt: the unit, its leaf, and the leaf's path to the batch's root."""

from services.common.database import Database
from services.common.errors import ReceiptNotReady, UnitNotFound
from services.factory.model.batches import BatchState
from services.factory.model.proofs import UnitProof
from services.factory.storage import proofs as storage
from services.factory.storage import tiles as tile_storage
from voketag_kernel.codes import KeyRing, split_unit_id
from voketag_kernel.tiles import inclusion_path, tiles_of_inclusion


class Proofs:
    """Proofs for units of any tenant: the code was the caller's way in, and Scan has checked it."""

    def __init__(self, *, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    async def get(self, unit_id: int) -> UnitProof:
        """Return a unit's proof. Two queries, the second for at most six tiles, whatever the batch's size.

        Raises UnitNotFound, also for units of a cancelled batch; ReceiptNotReady until the batch has its root.
        """
        return await self._get(unit_id, voided=False)

    async def get_voided(self, unit_id: int) -> UnitProof:
        """Return the proof that a cancelled batch had the unit: what was issued and printed can be shown to be void.

        Its tree is that of the units which were written, `tree_size` of them. UnitNotFound for any other unit.
        """
        return await self._get(unit_id, voided=True)

    async def _get(self, unit_id: int, *, voided: bool) -> UnitProof:
        async with self._database.reading() as tx:
            found = await storage.unit_with_batch(tx, unit_id)
            if found is None or (found.batch.state is BatchState.CANCELLED) is not voided:
                raise UnitNotFound
            batch = found.batch
            if batch.merkle_root is None or batch.facts is None:
                raise ReceiptNotReady
            index = unit_id - batch.range.first_unit_id
            wanted = tiles_of_inclusion(index, batch.tree_size)
            tiles = await tile_storage.read(tx, batch.batch_id, wanted)
        key_id, number = split_unit_id(unit_id)
        minted = self._keys[key_id].mint(number)
        return UnitProof(
            batch_id=batch.batch_id,
            code=minted.code,
            serial=found.serial,
            batch_facts=batch.facts,
            salt=minted.salt,
            leaf_index=index,
            tree_size=batch.tree_size,
            batch_root=batch.merkle_root,
            inclusion_path=tuple(inclusion_path(index, batch.tree_size, tiles)),
        )
