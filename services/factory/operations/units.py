"""What is done with units: reading them with their codes, and changing their state."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument, MalformedCode, SigningKeyExhausted, UnitNotFound
from services.factory.fast_derivation import FastDerivation
from services.factory.hot_state import HotState
from services.factory.model.batches import Batch
from services.factory.model.imports import attributes_in
from services.factory.model.page import Page
from services.factory.model.settings import TagType
from services.factory.model.units import (
    ExportSlice,
    StoredUnit,
    Unit,
    UnitState,
    UnitStateReason,
    check_issued,
    printed_url,
)
from services.factory.operations import audit
from services.factory.storage import batches, imports, settings, tenants, unit_serials
from services.factory.storage import units as storage
from voketag_kernel import codes
from voketag_kernel.codes import CODE_LENGTH, KeyRing, UnitCodeKey, split_unit_id

_EXPORT_SLICE = 2048  # units read and sent at once: about 256 KiB of CSV
_STATE_NAMES = {state.value: state.name for state in UnitState}


@dataclass(frozen=True, slots=True)
class Serial:
    """Asks for the unit of a serial."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Asks for the unit of a code."""

    text: str


class Units:
    """Units of one tenant at a time. Codes are derived when they are asked for: nobody stores them."""

    def __init__(
        self, *, database: Database, clock: Clock, keys: KeyRing, hot_state: HotState, derivation: FastDerivation
    ) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self._hot_state = hot_state
        self._derivation = derivation

    async def list(self, tenant_id: UUID, batch_id: UUID, *, first_index: int, limit: int) -> Page[Unit]:
        """Return units in index order; BatchNotFound, WrongBatchState until all are issued."""
        async with self._database.reading() as tx:
            batch, base_url = await _issued_batch(tx, tenant_id, batch_id)
            found = await self._slice(tx, batch, base_url, first_index, limit)
        return Page(items=tuple(found), more=first_index + limit < batch.quantity)

    async def get(self, tenant_id: UUID, wanted: int | Serial | Code) -> Unit:
        """Return the unit of an id, a serial or a code; UnitNotFound, MalformedCode, WrongBatchState."""
        async with self._database.reading() as tx:
            unit_id = await self._unit_id(tx, tenant_id, wanted)
            batch_id = None if unit_id is None else await storage.batch_of(tx, tenant_id, unit_id)
            if unit_id is None or batch_id is None:
                raise UnitNotFound
            batch, base_url = await _issued_batch(tx, tenant_id, batch_id)
            [unit] = await self._slice(tx, batch, base_url, unit_id - batch.range.first_unit_id, 1)
        return unit

    async def export(self, tenant_id: UUID, batch_id: UUID, *, first_index: int) -> AsyncIterator[ExportSlice]:
        """Yield all units from `first_index` on, a slice at a time.

        Holds no connection between slices, so that a slow consumer holds up nobody, and derives codes in a thread.
        Raises as `list` does, and InvalidArgument for an index behind the last unit's successor.
        """
        async with self._database.reading() as tx:
            batch, base_url = await _issued_batch(tx, tenant_id, batch_id)
            columns = await imports.columns_of(tx, batch_id) or []
        if first_index > batch.quantity:
            raise InvalidArgument.of("first_index", f"the batch has {batch.quantity} units")
        key = self._key(batch.range.key_id)
        for start in range(first_index, batch.quantity, _EXPORT_SLICE):
            end = min(start + _EXPORT_SLICE, batch.quantity)
            first = batch.range.first_unit_id
            async with self._database.reading() as tx:
                serials, states = await storage.serials_and_states(tx, first + start, first + end)
                rows = await imports.rows_between(tx, batch_id, start, end) if columns else []
            derive = partial(self._derivation.current.codes, key, batch.range.first_number + start, end - start)
            yield ExportSlice(
                first_index=start,
                first_unit_id=first + start,
                base_url=base_url,
                columns=columns,
                serials=serials,
                states=[_STATE_NAMES[state] for state in states],
                codes=(await asyncio.to_thread(derive)).astype(f"U{CODE_LENGTH}").tolist(),
                rows=rows,
            )

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
        self, tx: Transaction, tenant_id: UUID, unit_id: int, state: UnitState, reason: UnitStateReason, *, who: str
    ) -> Unit:
        """Change a unit's state; Scan hears of it once the transaction is committed. UnitNotFound, WrongBatchState."""
        found = await storage.lock_unit(tx, tenant_id, unit_id)
        if found is None:
            raise UnitNotFound
        stored, batch_id = found
        batch, base_url = await _issued_batch(tx, tenant_id, batch_id)
        changed = replace(stored, state=state, state_reason=reason, state_changed_at=self._clock.now())
        await storage.set_unit_state(tx, changed)
        await audit.note(
            tx,
            tenant_id,
            who=who,
            action="unit.set_state",
            subject=str(unit_id),
            now=self._clock.now(),
            reason=reason.name,
            details={"from": stored.state.name, "to": state.name},
        )
        tx.after_commit(partial(self._hot_state.unit_changed, unit_id))
        index = unit_id - batch.range.first_unit_id
        columns = await imports.columns_of(tx, batch_id) or []
        attributes = [attributes_in(row, columns) for row in await _cells(tx, batch_id, columns, index, index + 1)]
        return self._unit(self._key(batch.range.key_id), batch, base_url, changed, attributes[0] if attributes else {})

    async def _slice(
        self, tx: Transaction, batch: Batch, base_url: str, first_index: int, count: int
    ) -> Sequence[Unit]:
        first = batch.range.first_unit_id
        end_index = min(first_index + count, batch.quantity)
        key = self._key(batch.range.key_id)
        found = await storage.units_between(tx, first + first_index, first + end_index)
        columns = await imports.columns_of(tx, batch.batch_id) or []
        cells = await _cells(tx, batch.batch_id, columns, first_index, end_index)
        if not columns:
            return [self._unit(key, batch, base_url, stored) for stored in found]
        return [
            self._unit(key, batch, base_url, stored, attributes_in(row, columns))
            for stored, row in zip(found, cells, strict=True)
        ]

    async def _unit_id(self, tx: Transaction, tenant_id: UUID, wanted: int | Serial | Code) -> int | None:
        if isinstance(wanted, int):
            return wanted
        if isinstance(wanted, Serial):
            return (await unit_serials.unit_ids(tx, tenant_id, [wanted.text])).get(wanted.text)
        try:
            return self._keys.open(wanted.text)
        except codes.MalformedCode as error:
            raise MalformedCode from error

    @staticmethod
    def _unit(
        key: UnitCodeKey,
        batch: Batch,
        base_url: str,
        stored: StoredUnit,
        attributes: Mapping[str, str] = MappingProxyType({}),
    ) -> Unit:
        _key_id, number = split_unit_id(stored.unit_id)
        code = key.mint(number).code
        return Unit(
            index=number - batch.range.first_number,
            batch_id=batch.batch_id,
            stored=stored,
            code=code,
            url=printed_url(base_url, code),
            attributes=attributes,
        )

    def _key(self, key_id: int) -> UnitCodeKey:
        try:
            return self._keys[key_id]
        except KeyError as error:
            raise SigningKeyExhausted(
                f"signing key {key_id} is not here; the operator must bring its file back"
            ) from error


async def _cells(tx: Transaction, batch_id: UUID, columns: Sequence[str], start: int, end: int) -> list[str]:
    """Return the rows of the batch's file, none when it has no further columns."""
    return await imports.rows_between(tx, batch_id, start, end) if columns and start < end else []


async def _issued_batch(tx: Transaction, tenant_id: UUID, batch_id: UUID) -> tuple[Batch, str]:
    """Return a batch with all its units, and the base of their URLs."""
    batch = await batches.get(tx, tenant_id, batch_id)
    check_issued(batch)
    tenant = await tenants.tenant_by_id(tx, tenant_id)
    if tenant is None:
        raise LookupError(f"batch {batch_id} has a tenant that does not exist")
    return batch, tenant.verification_base_url
