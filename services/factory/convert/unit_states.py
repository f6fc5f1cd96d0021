"""Changes of many units' states in protobuf."""

from uuid import UUID

from services.common.caller import Caller
from services.common.paging import encode_token
from services.factory.convert.fields import text, timestamp, who
from services.factory.model.page import Page
from services.factory.model.unit_states import UnitStateJob
from services.factory.model.units import UnitState, UnitStateReason
from services.factory.operations.unit_states import Change
from voketag.factory.v1 import factory_pb2


def change(request: factory_pb2.SetUnitStatesRequest | factory_pb2.SetUnitStatesCsvRequest, caller: Caller) -> Change:
    """Return what units get, and who says so."""
    return Change(state=UnitState(request.state), reason=UnitStateReason(request.reason), who=who(caller))


def serials(request: factory_pb2.UnitSerials) -> list[str]:
    """Return the serials of a list, each once."""
    return list(dict.fromkeys(text("serials.serials", serial) for serial in request.serials))


def without_file(request: factory_pb2.SetUnitStatesCsvRequest) -> factory_pb2.SetUnitStatesCsvRequest:
    """Return the request without what came with it."""
    return factory_pb2.SetUnitStatesCsvRequest(
        state=request.state, reason=request.reason, request_id=request.request_id
    )


def job_id(request: factory_pb2.GetUnitStateJobRequest) -> UUID:
    """Return the job that a request names."""
    return UUID(request.job_id)


def job(found: UnitStateJob) -> factory_pb2.UnitStateJob:
    """Return a job."""
    return factory_pb2.UnitStateJob(
        job_id=str(found.job_id),
        state=factory_pb2.JobState.ValueType(found.state),
        unit_state=factory_pb2.UnitState.ValueType(found.unit_state),
        reason=factory_pb2.UnitStateReason.ValueType(found.reason),
        total=found.total,
        done=found.done,
        changed=found.changed,
        missing=found.missing,
        missing_count=found.missing_count,
        error=found.error,
        created_at=timestamp(found.created_at),
        finished_at=timestamp(found.finished_at),
        created_by=found.created_by,
        batch_id=str(found.batch_id) if found.batch_id else "",
    )


def job_page(page: Page[UnitStateJob]) -> factory_pb2.ListUnitStateJobsResponse:
    """Return a page of jobs."""
    return factory_pb2.ListUnitStateJobsResponse(
        jobs=[job(item) for item in page.items],
        next_page_token=encode_token(str(page.items[-1].job_id)) if page.more else "",
    )
