"""Units of the tenant: look at them, change their state."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from time import monotonic
from uuid import uuid4

from google.api import httpbody_pb2

from voketag.factory.v1 import factory_pb2
from voketag_sdk import _convert
from voketag_sdk._files import Source, Upload
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.errors import DeadlineExceeded
from voketag_sdk.models import Unit, UnitState, UnitStateJob, UnitStateReason

JOB_SECONDS = 3600.0
_FIRST_LOOK_SECONDS = 0.1
_LAST_LOOK_SECONDS = 2.0


class AsyncUnits:
    """Units of the tenant's batches."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, batch_id: str, *, page_size: int = 0) -> AsyncItems[Unit]:
        """List the units of an issued batch in index order. For all of a large batch, `batches.rows` is faster."""

        async def pages() -> AsyncGenerator[Sequence[Unit]]:
            request = factory_pb2.ListUnitsRequest(batch_id=batch_id, page_size=page_size)
            while True:
                page = await self._transport.call(self._transport.factory.ListUnits, request)
                yield [_convert.unit(each) for each in page.units]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def get(
        self, unit_id: int | None = None, *, serial: str = "", code: str = "", timeout: float | None = None
    ) -> Unit:
        """Return one unit, by its id, its serial or its code. UnitNotFound, MalformedCode."""
        if [unit_id is not None, bool(serial), bool(code)].count(True) != 1:
            raise ValueError("name the unit by one of unit_id, serial and code")
        request = factory_pb2.GetUnitRequest(unit_id=unit_id or 0)
        if serial:
            request = factory_pb2.GetUnitRequest(serial=serial)
        elif code:
            request = factory_pb2.GetUnitRequest(code=code)
        return _convert.unit(await self._transport.call(self._transport.factory.GetUnit, request, timeout=timeout))

    async def set_state(
        self,
        unit_id: int,
        state: UnitState,
        *,
        reason: UnitStateReason | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Unit:
        """Change the state of one unit; scans obey within a second. UnitNotFound."""
        request = factory_pb2.SetUnitStateRequest(
            unit_id=unit_id,
            state=_convert.number_of(state, factory_pb2.UnitState.DESCRIPTOR),
            request_id=request_id or str(uuid4()),
        )
        if reason is not None:
            request.reason = _convert.number_of(reason, factory_pb2.UnitStateReason.DESCRIPTOR)
        return _convert.unit(await self._transport.call(self._transport.factory.SetUnitState, request, timeout=timeout))

    async def set_states(
        self,
        state: UnitState,
        *,
        batch_id: str = "",
        first_index: int = 0,
        count: int = 0,
        serials: Sequence[str] = (),
        reason: UnitStateReason | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> UnitStateJob:
        """Change the state of a batch, of `count` units of it from `first_index` on, or of up to 10,000 serials.

        Returns at once: `wait_for_job` for the end. Scans obey each unit within a second of its change.
        """
        if isinstance(serials, str):  # it would be a sequence of the serials of its letters
            raise TypeError("give a list of serials")
        if bool(batch_id) == bool(serials):
            raise ValueError("name the units by one of batch_id and serials")
        request = factory_pb2.SetUnitStatesRequest(
            state=_convert.number_of(state, factory_pb2.UnitState.DESCRIPTOR), request_id=request_id or str(uuid4())
        )
        if batch_id:
            request.range.CopyFrom(factory_pb2.UnitRange(batch_id=batch_id, first_index=first_index, count=count))
        else:
            request.serials.serials.extend(serials)
        if reason is not None:
            request.reason = _convert.number_of(reason, factory_pb2.UnitStateReason.DESCRIPTOR)
        method = self._transport.factory.SetUnitStates
        return _convert.unit_state_job(await self._transport.call(method, request, timeout=timeout))

    async def set_states_csv(
        self,
        source: Source,
        state: UnitState,
        *,
        reason: UnitStateReason | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> UnitStateJob:
        """The same for the serials in a CSV file of at most 10 MiB, such as an export. InvalidCsv, FileTooLarge."""
        upload = await asyncio.to_thread(Upload, source)
        try:
            file = httpbody_pb2.HttpBody(content_type="text/csv", data=await upload.content())
        finally:
            upload.close()
        request = factory_pb2.SetUnitStatesCsvRequest(
            state=_convert.number_of(state, factory_pb2.UnitState.DESCRIPTOR),
            request_id=request_id or str(uuid4()),
            file=file,
        )
        if reason is not None:
            request.reason = _convert.number_of(reason, factory_pb2.UnitStateReason.DESCRIPTOR)
        method = self._transport.factory.SetUnitStatesCsv
        return _convert.unit_state_job(await self._transport.call(method, request, timeout=timeout))

    async def get_job(self, job_id: str, *, timeout: float | None = None) -> UnitStateJob:
        """Return how a job stands. JobNotFound."""
        request = factory_pb2.GetUnitStateJobRequest(job_id=job_id)
        method = self._transport.factory.GetUnitStateJob
        return _convert.unit_state_job(await self._transport.call(method, request, timeout=timeout))

    def jobs(self, *, page_size: int = 0) -> AsyncItems[UnitStateJob]:
        """List jobs, newest first."""

        async def pages() -> AsyncGenerator[Sequence[UnitStateJob]]:
            request = factory_pb2.ListUnitStateJobsRequest(page_size=page_size)
            while True:
                page = await self._transport.call(self._transport.factory.ListUnitStateJobs, request)
                yield [_convert.unit_state_job(each) for each in page.jobs]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def wait_for_job(self, job_id: str, *, timeout: float = JOB_SECONDS) -> UnitStateJob:
        """Return a job once it is DONE or FAILED. DeadlineExceeded after `timeout` seconds; the job goes on."""
        deadline = monotonic() + timeout
        delay = _FIRST_LOOK_SECONDS
        while not (job := await self.get_job(job_id)).state.is_final:
            if monotonic() + delay >= deadline:
                raise DeadlineExceeded("the time given to wait is over")
            await asyncio.sleep(delay)
            delay = min(delay * 1.5, _LAST_LOOK_SECONDS)
        return job
