"""Changes of many units' states."""

from uuid import UUID

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.factory.convert import unit_states as convert
from services.factory.convert.fields import position_uuid
from services.factory.convert.imports import pieces
from services.factory.idempotency import Writes
from services.factory.model.unit_states import CHUNK_SERIALS
from services.factory.operations.imports import Imports
from services.factory.operations.unit_states import UnitStates, in_chunks
from voketag.factory.v1 import factory_pb2


class UnitStateMethods:
    """The methods on many units at once."""

    _writes: Writes
    _imports: Imports
    _unit_states: UnitStates

    async def set_unit_states(self, request: factory_pb2.SetUnitStatesRequest, call: Call) -> factory_pb2.UnitStateJob:
        """Order a change of a batch, a range of it, or a list of serials."""
        tenant_id, change, wanted = call.caller.tenant, convert.change(request, call.caller), request.range
        if request.WhichOneof("units") == "range":
            return await self._writes.once(
                call,
                request,
                lambda tx: self._unit_states.change_range(
                    tx,
                    tenant_id,
                    change,
                    batch_id=UUID(wanted.batch_id),
                    first_index=wanted.first_index,
                    count=wanted.count,
                ),
                convert.job,
            )
        serials = convert.serials(request.serials)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._unit_states.change_serials(tx, tenant_id, change, in_chunks(serials), len(serials)),
            convert.job,
        )

    async def set_unit_states_csv(
        self, request: factory_pb2.SetUnitStatesCsvRequest, call: Call
    ) -> factory_pb2.UnitStateJob:
        """Order a change of the units of a file."""
        tenant_id, change = call.caller.tenant, convert.change(request, call.caller)
        async with self._imports.listed(tenant_id, pieces(request.file)) as file:
            return await self._writes.once(
                call,
                convert.without_file(request),
                lambda tx: self._unit_states.change_serials(
                    tx, tenant_id, change, file.serials(CHUNK_SERIALS), file.rows
                ),
                convert.job,
                file_hash=file.digest,
            )

    async def get_unit_state_job(
        self, request: factory_pb2.GetUnitStateJobRequest, call: Call
    ) -> factory_pb2.UnitStateJob:
        """Return a job."""
        return convert.job(await self._unit_states.get(call.caller.tenant, convert.job_id(request)))

    async def list_unit_state_jobs(
        self, request: factory_pb2.ListUnitStateJobsRequest, call: Call
    ) -> factory_pb2.ListUnitStateJobsResponse:
        """List jobs, newest first."""
        page = await self._unit_states.list(
            call.caller.tenant, before=position_uuid(request.page_token), limit=page_size(request.page_size)
        )
        return convert.job_page(page)
