"""Batches of the tenant: order, follow, take away the codes."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import date, datetime
from os import PathLike
from pathlib import Path
from time import monotonic
from typing import Literal
from uuid import uuid4

from voketag.factory.v1 import batch_control_pb2, factory_pb2, imports_pb2, statements_pb2
from voketag_sdk import _convert
from voketag_sdk._export import Export, write_file
from voketag_sdk._files import Source, Upload
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.errors import BatchStopped, DeadlineExceeded
from voketag_sdk.models import (
    Batch,
    BatchPriority,
    BatchState,
    BatchStatement,
    ExportedUnit,
    ImportReport,
    UnitProof,
)

WAIT_SECONDS = 3600.0
IMPORT_SECONDS = 600.0
"""A million rows are checked in seconds; the rest is for slow lines."""


class AsyncBatches:
    """Batches of the tenant. `request_id` as for products."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        product_id: str,
        *,
        quantity: int,
        lot: str = "",
        manufactured_at: date | None = None,
        expires_at: date | None = None,
        metadata: Mapping[str, str] | None = None,
        priority: BatchPriority = BatchPriority.NORMAL,
        chains: Sequence[str] = (),
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Batch:
        """Order 1..1,000,000 units. Returns at once: `wait` for the codes. ProductNotFound, ProductArchived.

        `priority` is among your own batches; between companies turns are taken. `chains` are the operator's names of
        the chains that the batch is to be anchored on, none for the default one; the first completes it.
        InvalidArgument names those that there are.
        """
        request = factory_pb2.CreateBatchRequest(
            product_id=product_id,
            quantity=quantity,
            lot=lot,
            manufactured_at=manufactured_at.isoformat() if manufactured_at else "",
            expires_at=expires_at.isoformat() if expires_at else "",
            metadata=metadata,
            priority=_convert.number_of(priority, batch_control_pb2.BatchPriority.DESCRIPTOR),
            chains=chains,
            request_id=request_id or str(uuid4()),
        )
        return _convert.batch(await self._transport.call(self._transport.factory.CreateBatch, request, timeout=timeout))

    async def import_csv(
        self,
        product_id: str,
        source: Source,
        *,
        lot: str = "",
        manufactured_at: date | None = None,
        expires_at: date | None = None,
        metadata: Mapping[str, str] | None = None,
        request_id: str | None = None,
        timeout: float = IMPORT_SECONDS,
    ) -> Batch:
        """Order the units of a CSV file (a path, its content, or an open binary file) with the serials that it has.

        Taken whole or not at all: InvalidCsv names what is wrong by line and column. Returns at once: `wait` for the
        codes. ProductNotFound, ProductArchived.
        """
        upload = await asyncio.to_thread(Upload, source)
        order = imports_pb2.ImportOrder(
            product_id=product_id,
            lot=lot,
            manufactured_at=manufactured_at.isoformat() if manufactured_at else "",
            expires_at=expires_at.isoformat() if expires_at else "",
            metadata=metadata,
            request_id=request_id or str(uuid4()),
            size_bytes=upload.size,
        )

        async def requests() -> AsyncGenerator[imports_pb2.ImportUnitsRequest]:
            yield imports_pb2.ImportUnitsRequest(order=order)
            async for piece in upload.pieces():
                yield imports_pb2.ImportUnitsRequest(chunk=piece)

        try:
            answer = await self._transport.upload(self._transport.factory.ImportUnits, requests, timeout=timeout)
        finally:
            upload.close()
        return _convert.batch(answer)

    async def import_report(self, import_id: str, *, timeout: float | None = None) -> ImportReport:
        """Return what was wrong with a refused file: up to 1,000 faults, for 24 hours. JobNotFound after that."""
        request = imports_pb2.GetImportReportRequest(import_id=import_id)
        method = self._transport.factory.GetImportReport
        return _convert.import_report(await self._transport.call(method, request, timeout=timeout))

    async def get(self, batch_id: str, *, timeout: float | None = None) -> Batch:
        """Return one batch. BatchNotFound."""
        request = factory_pb2.GetBatchRequest(batch_id=batch_id)
        return _convert.batch(await self._transport.call(self._transport.factory.GetBatch, request, timeout=timeout))

    def list(
        self,
        *,
        product_id: str = "",
        state: BatchState | None = None,
        lot: str = "",
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        order_by: str = "",
        page_size: int = 0,
    ) -> AsyncItems[Batch]:
        """List batches: those of one product, in one state, of one lot, ordered in a time, where these are given.

        Times are aware datetimes, `created_to` not included. `order_by` is "created_at desc" (the default) or
        "created_at".
        """

        async def pages() -> AsyncGenerator[Sequence[Batch]]:
            request = factory_pb2.ListBatchesRequest(
                page_size=page_size, product_id=product_id, lot=lot, order_by=order_by
            )
            if created_from is not None:
                request.created_from.FromDatetime(created_from)
            if created_to is not None:
                request.created_to.FromDatetime(created_to)
            if state is not None:
                request.state = _convert.number_of(state, factory_pb2.BatchState.DESCRIPTOR)
            while True:
                page = await self._transport.call(self._transport.factory.ListBatches, request)
                yield [_convert.batch(each) for each in page.batches]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    def watch(self, batch_id: str, *, timeout: float | None = WAIT_SECONDS) -> AsyncItems[Batch]:
        """Yield the batch now and at every change, until a final state. Survives lost connections and restarts.

        DeadlineExceeded after `timeout` seconds (None for no bound).
        """

        async def changes() -> AsyncGenerator[Sequence[Batch]]:
            deadline = None if timeout is None else monotonic() + timeout
            last: Batch | None = None
            while last is None or not last.state.is_final:
                stream = self._transport.messages(
                    self._transport.factory.WatchBatch,
                    lambda: factory_pb2.WatchBatchRequest(batch_id=batch_id),
                    deadline=deadline,
                    attempts=0,
                )
                async with aclosing(stream):
                    async for message in stream:
                        batch = _convert.batch(message)
                        if batch != last:  # a new stream begins with what is known already
                            last = batch
                            yield [batch]
                if deadline is not None and monotonic() >= deadline:
                    raise DeadlineExceeded("the time given to wait is over")

        return AsyncItems(changes)

    async def wait(
        self,
        batch_id: str,
        *,
        progress: Callable[[Batch], object] | None = None,
        timeout: float | None = WAIT_SECONDS,
    ) -> Batch:
        """Return the batch once it is COMPLETED; BatchStopped when it ended otherwise.

        `progress` is called with the batch at every change. DeadlineExceeded after `timeout` seconds (None for no
        bound); the batch goes on, and can be waited for again.
        """
        batch: Batch | None = None
        async for batch in self.watch(batch_id, timeout=timeout):
            if progress is not None:
                progress(batch)
        return completed(batch)

    async def retry(self, batch_id: str, *, request_id: str | None = None, timeout: float | None = None) -> Batch:
        """Let a FAILED or ANCHOR_FAILED batch go on with the same codes. WrongBatchState in any other state."""
        request = factory_pb2.RetryBatchRequest(batch_id=batch_id, request_id=request_id or str(uuid4()))
        return _convert.batch(await self._transport.call(self._transport.factory.RetryBatch, request, timeout=timeout))

    async def cancel(self, batch_id: str, *, request_id: str | None = None, timeout: float | None = None) -> Batch:
        """Cancel a batch whose root was not submitted yet; its codes are void. WrongBatchState otherwise.

        The root of a cancelled batch is that of the `tree_size` units that it had.
        """
        request = factory_pb2.CancelBatchRequest(batch_id=batch_id, request_id=request_id or str(uuid4()))
        return _convert.batch(await self._transport.call(self._transport.factory.CancelBatch, request, timeout=timeout))

    async def pause(self, batch_id: str, *, request_id: str | None = None, timeout: float | None = None) -> Batch:
        """Stop issuing a PENDING or ISSUING batch at the next chunk, until `resume`. WrongBatchState otherwise."""
        request = batch_control_pb2.PauseBatchRequest(batch_id=batch_id, request_id=request_id or str(uuid4()))
        return _convert.batch(await self._transport.call(self._transport.factory.PauseBatch, request, timeout=timeout))

    async def resume(self, batch_id: str, *, request_id: str | None = None, timeout: float | None = None) -> Batch:
        """Let a paused batch go on from where it stopped."""
        request = batch_control_pb2.ResumeBatchRequest(batch_id=batch_id, request_id=request_id or str(uuid4()))
        return _convert.batch(await self._transport.call(self._transport.factory.ResumeBatch, request, timeout=timeout))

    async def export(self, batch_id: str, path: str | PathLike[str]) -> int:
        """Write the units as CSV and return how many there are.

        The file (`index,unit_id,serial,code,url,state`, UTF-8, CRLF) appears whole or not at all; an old one of that
        name is replaced. A broken stream is resumed where it broke. ExportBroken when rows are missing or doubled.
        """
        return await write_file(Path(path), Export(self._transport, batch_id))

    def rows(self, batch_id: str) -> AsyncItems[ExportedUnit]:
        """Iterate over the units of an issued batch, in index order, straight from the export."""
        return AsyncItems(Export(self._transport, batch_id).rows)

    async def qr(
        self,
        batch_id: str,
        index: int,
        *,
        format: Literal["svg", "png", "ndef", ""] = "svg",  # noqa: A002 - the contract's word
        timeout: float | None = None,
    ) -> bytes:
        """Return one unit's QR code (ISO/IEC 18004, level M) as an image, or what its NFC tag holds (`ndef`).

        "" leaves the choice to the setting `default_tag_type`.
        """
        request = factory_pb2.RenderCodeRequest(batch_id=batch_id, index=index, format=format)
        return (await self._transport.call(self._transport.factory.RenderCode, request, timeout=timeout)).data

    async def statement(self, batch_id: str, *, timeout: float | None = None) -> BatchStatement:
        """Return how many units the batch has, signed: `verify_statement` checks it offline. BatchNotFound."""
        request = statements_pb2.GetBatchStatementRequest(batch_id=batch_id)
        return _convert.batch_statement(
            await self._transport.call(self._transport.factory.GetBatchStatement, request, timeout=timeout)
        )

    async def voided_proof(self, batch_id: str, index: int, *, timeout: float | None = None) -> UnitProof:
        """Return the proof that a cancelled batch had a unit, for each index below its `tree_size`.

        `verify_unit_proof` holds it against the batch's statement. BatchNotFound, WrongBatchState, UnitNotFound.
        """
        request = statements_pb2.GetVoidedUnitProofRequest(batch_id=batch_id, index=index)
        return _convert.unit_proof(
            await self._transport.call(self._transport.factory.GetVoidedUnitProof, request, timeout=timeout)
        )

    async def statement_keys(self, *, timeout: float | None = None) -> str:
        """Return the keys that sign statements as a JWK set, to keep for later checks."""
        request = statements_pb2.GetStatementKeysRequest()
        answer = await self._transport.call(self._transport.factory.GetStatementKeys, request, timeout=timeout)
        return answer.data.decode()


def completed(batch: Batch | None) -> Batch:
    """Return a batch that is done, or raise BatchStopped."""
    assert batch is not None  # noqa: S101 - a watch ends after a final state only
    if batch.state is not BatchState.COMPLETED:
        raise BatchStopped(batch)
    return batch
