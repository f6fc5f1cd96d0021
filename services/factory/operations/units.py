"""What is done with units: reading them with their codes, and changing their state."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument, SigningKeyExhausted, UnitNotFound
from services.factory.hot_state import HotState
from services.factory.model.batches import Batch
from services.factory.model.page import Page
from services.factory.model.settings import TagType
from services.factory.model.units import StoredUnit, Unit, UnitState, UnitStateReason, check_issued, printed_url
from services.factory.storage import batches, settings, tenants
from services.factory.storage import units as storage
from voketag_kernel.codes import KeyRing, UnitCodeKey, split_unit_id

_EXPORT_SLICE = 512  # units read and sent at once: about 64 KiB of CSV


class Units:
    """Units of one tenant at a time. Codes are derived when they are asked for: nobody stores them."""

    def __init__(self, *, database: Database, keys: KeyRing, hot_state: HotState) -> None:
        self._database = database
        self._keys = keys
        self._hot_state = hot_state

    async def list(self, tenant_id: UUID, batch_id: UUID, *, first_index: int, limit: int) -> Page[Unit]:
        """Return units in index order; BatchNotFound, WrongBatchState until all are issued."""
        async with self._database.reading() as tx:
            batch, base_url = await _issued_batch(tx, tenant_id, batch_id)
            found = await self._slice(tx, batch, base_url, first_index, limit)
        return Page(items=tuple(found), more=first_index + limit < batch.quantity)

    async def export(self, tenant_id: UUID, batch_id: UUID, *, first_index: int) -> AsyncIterator[Sequence[Unit]]:
        """Yield all units from `first_index` on, a slice at a time.

        Holds no connection between slices, so that a slow consumer holds up nobody. Raises as `list` does, and
        InvalidArgument for an index behind the last unit's successor.
        """
        async with self._database.reading() as tx:
            batch, base_url = await _issued_batch(tx, tenant_id, batch_id)
        if first_index > batch.quantity:
            raise InvalidArgument.of("first_index", f"the batch has {batch.quantity} units")
        for index in range(first_index, batch.quantity, _EXPORT_SLICE):
            async with self._database.reading() as tx:
                units = await self._slice(tx, batch, base_url, index, _EXPORT_SLICE)
            yield units

    async def printed_url(self, tenant_id: UUID, batch_id: UUID, index: int) -> tuple[str, TagType]:
        """Return what is printed on one unit, and the tenant's tag type; raises as `list` does, and UnitNotFound."""
        async with self._database.reading() as tx:
            batch, base_url = await _issued_batch(tx, tenant_id, batch_id)
            tag_type = (await settings.read(tx, tenant_id)).default_tag_type
        if index >= batch.quantity:
            raise UnitNotFound
        number = batch.range.first_number + index
        return printed_url(base_url, self._key(batch.range.key_id).mint(number).code), tag_type

    async def set_state(
        self, tx: Transaction, tenant_id: UUID, unit_id: int, state: UnitState, reason: UnitStateReason
    ) -> Unit:
        """Change a unit's state; Scan hears of it once the transaction is committed. UnitNotFound, WrongBatchState."""
        found = await storage.lock_unit(tx, tenant_id, unit_id)
        if found is None:
            raise UnitNotFound
        stored, batch_id = found
        batch, base_url = await _issued_batch(tx, tenant_id, batch_id)
        changed = replace(stored, state=state, state_reason=reason)
        await storage.set_unit_state(tx, changed)
        tx.after_commit(partial(self._hot_state.unit_changed, unit_id))
        return self._unit(self._key(batch.range.key_id), batch, base_url, changed)

    async def _slice(
        self, tx: Transaction, batch: Batch, base_url: str, first_index: int, count: int
    ) -> Sequence[Unit]:
        first = batch.range.first_unit_id
        end_index = min(first_index + count, batch.quantity)
        key = self._key(batch.range.key_id)
        found = await storage.units_between(tx, first + first_index, first + end_index)
        return [self._unit(key, batch, base_url, stored) for stored in found]

    @staticmethod
    def _unit(key: UnitCodeKey, batch: Batch, base_url: str, stored: StoredUnit) -> Unit:
        _key_id, number = split_unit_id(stored.unit_id)
        code = key.mint(number).code
        return Unit(index=number - batch.range.first_number, stored=stored, code=code, url=printed_url(base_url, code))

    def _key(self, key_id: int) -> UnitCodeKey:
        try:
            return self._keys[key_id]
        except KeyError as error:
            raise SigningKeyExhausted(
                f"signing key {key_id} is not here; the operator must bring its file back"
            ) from error


async def _issued_batch(tx: Transaction, tenant_id: UUID, batch_id: UUID) -> tuple[Batch, str]:
    """Return a batch with all its units, and the base of their URLs."""
    batch = await batches.get(tx, tenant_id, batch_id)
    check_issued(batch)
    tenant = await tenants.tenant_by_id(tx, tenant_id)
    if tenant is None:
        raise LookupError(f"batch {batch_id} has a tenant that does not exist")
    return batch, tenant.verification_base_url
