"""Batches."""

from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.factory.convert import batches as convert
from services.factory.convert import listing
from services.factory.convert.fields import who
from services.factory.idempotency import Writes
from services.factory.operations.batches import Batches
from services.factory.operations.watching import BatchWatch
from voketag.factory.v1 import batch_control_pb2, factory_pb2


class BatchMethods:
    """The methods on batches."""

    _writes: Writes
    _batches: Batches
    _watch: BatchWatch

    async def create_batch(self, request: factory_pb2.CreateBatchRequest, call: Call) -> factory_pb2.Batch:
        """Order a batch."""
        order = convert.batch_order(request)
        return await self._writes.once(
            call, request, lambda tx: self._batches.create(tx, call.caller.tenant, order), convert.batch
        )

    async def get_batch(self, request: factory_pb2.GetBatchRequest, call: Call) -> factory_pb2.Batch:
        """Return one batch."""
        return convert.batch(await self._batches.get(call.caller.tenant, convert.batch_id(request)))

    async def list_batches(
        self, request: factory_pb2.ListBatchesRequest, call: Call
    ) -> factory_pb2.ListBatchesResponse:
        """List batches."""
        order = listing.order(request.order_by, convert.ORDERS)
        page = await self._batches.list(
            call.caller.tenant,
            convert.batch_filter(request),
            order,
            after=listing.position(request.page_token, order),
            limit=page_size(request.page_size),
        )
        return convert.batch_page(page, order)

    async def watch_batch(self, request: factory_pb2.WatchBatchRequest, call: Call) -> AsyncIterator[factory_pb2.Batch]:
        """Follow a batch until a final state."""
        async for batch in self._watch.follow(call.caller.tenant, convert.batch_id(request)):
            yield convert.batch(batch)

    async def retry_batch(self, request: factory_pb2.RetryBatchRequest, call: Call) -> factory_pb2.Batch:
        """Let a stopped batch go on."""
        batch_id, author = convert.batch_id(request), who(call.caller)
        return await self._writes.once(
            call, request, lambda tx: self._batches.retry(tx, call.caller.tenant, batch_id, who=author), convert.batch
        )

    async def cancel_batch(self, request: factory_pb2.CancelBatchRequest, call: Call) -> factory_pb2.Batch:
        """Cancel a batch."""
        batch_id, author = convert.batch_id(request), who(call.caller)
        return await self._writes.once(
            call, request, lambda tx: self._batches.cancel(tx, call.caller.tenant, batch_id, who=author), convert.batch
        )

    async def pause_batch(self, request: batch_control_pb2.PauseBatchRequest, call: Call) -> factory_pb2.Batch:
        """Pause a batch."""
        batch_id = convert.batch_id(request)
        return await self._writes.once(
            call, request, lambda tx: self._batches.pause(tx, call.caller.tenant, batch_id), convert.batch
        )

    async def resume_batch(self, request: batch_control_pb2.ResumeBatchRequest, call: Call) -> factory_pb2.Batch:
        """Resume a batch."""
        batch_id = convert.batch_id(request)
        return await self._writes.once(
            call, request, lambda tx: self._batches.resume(tx, call.caller.tenant, batch_id), convert.batch
        )

    async def report_anchor_outcome(
        self,
        request: factory_pb2.ReportAnchorOutcomeRequest,
        call: Call,  # noqa: ARG002
    ) -> Empty:
        """Take the outcome of an anchor."""
        await self._batches.report_anchor_outcome(convert.batch_id(request), convert.anchor_outcome(request))
        return Empty()
