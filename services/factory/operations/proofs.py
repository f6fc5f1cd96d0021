"""What Factory knows of a unit's receipt: the unit, its leaf, and the leaf's path to the batch's root."""

from uuid import UUID

from services.common.database import Database, Transaction
from services.common.errors import ReceiptNotReady, UnitNotFound, WrongBatchState
from services.factory.model.batches import Batch, BatchState
from services.factory.model.proofs import UnitProof
from services.factory.storage import batches
from services.factory.storage import proofs as storage
from services.factory.storage import tiles as tile_storage
from voketag_kernel.codes import KeyRing, split_unit_id
from voketag_kernel.tiles import inclusion_path, tiles_of_inclusion


class Proofs:
    """Proofs of units. Two queries each, the second for at most six tiles, whatever the batch's size."""

    def __init__(self, *, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    async def get(self, unit_id: int) -> UnitProof:
        """Return the proof of a unit of any tenant: the code was the caller's way in, and Scan has checked it.

        Raises UnitNotFound, also for units of a cancelled batch; ReceiptNotReady until the batch has its root.
        """
        async with self._database.reading() as tx:
            found = await storage.unit_with_batch(tx, unit_id)
            if found is None or found.batch.state is BatchState.CANCELLED:
                raise UnitNotFound
            return await self._proof(tx, found.batch, unit_id, found.serial)

    async def get_voided(self, tenant_id: UUID, batch_id: UUID, index: int) -> UnitProof:
        """Return the proof that a cancelled batch had the unit of an index: what was written can be shown to be void.

        Its tree is that of the units which were written, `tree_size` of them. By batch and index, because nothing else
        of a unit is known: a batch that can be cancelled has never shown ids, serials or codes. BatchNotFound,
        WrongBatchState, UnitNotFound.
        """
        async with self._database.reading() as tx:
            batch = await batches.get(tx, tenant_id, batch_id)
            if batch.state is not BatchState.CANCELLED:
                raise WrongBatchState(batch.state.name, BatchState.CANCELLED.name)
            unit_id = batch.range.first_unit_id + index
            found = await storage.unit_with_batch(tx, unit_id) if index < batch.tree_size else None
            if found is None:
                raise UnitNotFound
            return await self._proof(tx, batch, unit_id, found.serial)

    async def _proof(self, tx: Transaction, batch: Batch, unit_id: int, serial: str) -> UnitProof:
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
            serial=serial,
            batch_facts=batch.facts,
            salt=minted.salt,
            leaf_index=index,
            tree_size=batch.tree_size,
            batch_root=batch.merkle_root,
            inclusion_path=tuple(inclusion_path(index, batch.tree_size, tiles)),
        )
