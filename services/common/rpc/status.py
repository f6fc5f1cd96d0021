"""The one translation between the error tree and `google.rpc.Status`, both ways."""

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.common import errors
from services.common.errors import VokeTagError

DOMAIN = "voketag"
DETAILS_KEY = "grpc-status-details-bin"
_LONGEST_TEXT = 1024
"""Bytes of a text that a caller reads. It travels in the trailers, twice, of which clients take 8 KiB without looking
twice, and proxies some more; what repeats a caller's own words may be as long as these."""
_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}


def to_status(error: VokeTagError) -> status_pb2.Status:
    """Return the Status of an error: exactly one ErrorInfo, BadRequest for fields, RetryInfo where waiting helps."""
    details = [_pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))]
    if error.violations:
        fields = [
            error_details_pb2.BadRequest.FieldViolation(field=violation.field, description=_cut(violation.description))
            for violation in error.violations
        ]
        details.append(_pack(error_details_pb2.BadRequest(field_violations=fields)))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after_seconds * 1000))
        details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(code=error.code.value, message=_cut(error.message), details=details)


def grpc_code(status: status_pb2.Status) -> grpc.StatusCode:
    """Return grpc's enum value for a Status."""
    return _GRPC_CODES[status.code]


def from_rpc_error(error: grpc.aio.AioRpcError) -> VokeTagError:
    """Rebuild the error that another service answered with; a call that reached nobody is Unavailable."""
    status = _status_of(error)
    info = error_details_pb2.ErrorInfo()
    if status is None or not _take(status, info) or info.domain != DOMAIN:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return errors.DeadlineExceeded()
        return errors.Unavailable("another service of the platform does not answer; try again")
    leaf = _leaves(VokeTagError).get(info.reason, VokeTagError)
    rebuilt = leaf.__new__(leaf)  # leaves have constructors of their own; the message is already made
    retry = error_details_pb2.RetryInfo()
    waits = _take(status, retry)
    after = retry.retry_delay.ToTimedelta().total_seconds() if waits else None
    VokeTagError.__init__(rebuilt, status.message, metadata=dict(info.metadata), retry_after_seconds=after)
    return rebuilt


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return None


def _take(status: status_pb2.Status, detail: Message) -> bool:
    """Fill a detail from a status; whether there was one of its kind."""
    return any(each.Unpack(detail) for each in status.details)


def _leaves(tree: type[VokeTagError]) -> dict[str, type[VokeTagError]]:
    """Return the owner of each reason. A room's own refinement of a leaf shares its reason and stays in the room."""
    owned = {tree.reason: tree} if "reason" in tree.__dict__ else {}
    return owned | {reason: leaf for branch in tree.__subclasses__() for reason, leaf in _leaves(branch).items()}


def _cut(text: str) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= _LONGEST_TEXT:
        return encoded.decode()
    return f"{encoded[:_LONGEST_TEXT].decode(errors='ignore')}..."


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
