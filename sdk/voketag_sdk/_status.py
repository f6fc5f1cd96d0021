"""gRPC errors to the tree of `errors`: by the reason in ErrorInfo, else by the status code, never by the text."""

import grpc
from google.rpc import error_details_pb2, status_pb2

from voketag_sdk import errors
from voketag_sdk.errors import Violation, VokeTagError

_DOMAIN = "voketag"
_STATUS_KEY = "grpc-status-details-bin"
_REQUEST_ID_KEY = "x-request-id"

BY_REASON: dict[str, type[VokeTagError]] = {
    "INVALID_ARGUMENT": errors.InvalidArgument,
    "MALFORMED_CODE": errors.MalformedCode,
    "MALFORMED_PROOF": errors.MalformedProof,
    "INVALID_PAGE_TOKEN": errors.InvalidPageToken,
    "INVALID_CSV": errors.InvalidCsv,
    "UNAUTHENTICATED": errors.Unauthenticated,
    "WRONG_CREDENTIALS": errors.WrongCredentials,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "UNKNOWN_CODE": errors.UnknownCode,
    "PRODUCT_NOT_FOUND": errors.ProductNotFound,
    "BATCH_NOT_FOUND": errors.BatchNotFound,
    "UNIT_NOT_FOUND": errors.UnitNotFound,
    "API_KEY_NOT_FOUND": errors.ApiKeyNotFound,
    "JOB_NOT_FOUND": errors.JobNotFound,
    "ANCHOR_NOT_FOUND": errors.AnchorNotFound,
    "TRANSACTION_NOT_FOUND": errors.TransactionNotFound,
    "METHOD_NOT_FOUND": errors.MethodNotFound,
    "DUPLICATE_SKU": errors.DuplicateSku,
    "IDEMPOTENCY_CONFLICT": errors.IdempotencyConflict,
    "ROOT_CONFLICT": errors.RootConflict,
    "PRODUCT_ARCHIVED": errors.ProductArchived,
    "BATCH_STATE": errors.WrongBatchState,
    "ANCHOR_STATE": errors.WrongAnchorState,
    "RECEIPT_NOT_READY": errors.ReceiptNotReady,
    "SIGNING_KEY_EXHAUSTED": errors.SigningKeyExhausted,
    "RATE_LIMITED": errors.RateLimited,
    "REQUEST_TOO_LARGE": errors.RequestTooLarge,
    "FILE_TOO_LARGE": errors.FileTooLarge,
    "CONCURRENT_UPDATE": errors.ConcurrentUpdate,
    "UNAVAILABLE": errors.Unavailable,
    "CHAIN_UNAVAILABLE": errors.ChainUnavailable,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "UNIMPLEMENTED": errors.Unimplemented,
    "ENTRY_NOT_FOUND": errors.EntryNotFound,
    "SCAN_NOT_FOUND": errors.ScanNotFound,
    "RESOURCE_NOT_FOUND": errors.ResourceNotFound,
    "SANDBOX_LIMIT": errors.SandboxLimit,
    "WEBHOOK_TARGET_REFUSED": errors.WebhookTargetRefused,
    "WEBHOOK_NOT_FOUND": errors.WebhookNotFound,
    "WEBHOOK_DISABLED": errors.WebhookDisabled,
    "WEBHOOK_LIMIT": errors.WebhookLimit,
    "DEAD_LETTER_NOT_FOUND": errors.DeadLetterNotFound,
    "DEAD_LETTER_RESOLVED": errors.DeadLetterResolved,
    "INTERNAL": errors.InternalError,
}
"""The class of every `voketag.common.v1.ErrorReason`; a test holds the two together."""

_BY_CODE: dict[str, type[VokeTagError]] = {
    kind.code: kind
    for kind in (
        errors.InvalidArgument,
        errors.Unauthenticated,
        errors.PermissionDenied,
        errors.NotFound,
        errors.AlreadyExists,
        errors.FailedPrecondition,
        errors.ResourceExhausted,
        errors.Aborted,
        errors.Unavailable,
        errors.DeadlineExceeded,
        errors.Unimplemented,
        errors.InternalError,
    )
}

_OF_A_RESET = {"INTERNAL", "CANCELLED"}
"""What gRPC makes of a stream that was reset (RST_STREAM), as a proxy does when the server behind it dies. The platform
itself never sends a status without its reason, so that a bare one says that the connection broke.
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors"""


def from_rpc_error(error: grpc.aio.AioRpcError, *, request_id: str) -> VokeTagError:
    """Return our error for gRPC's; `request_id` is what the call was sent with, unless the edge gave it another."""
    metadata = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
    for key, value in metadata:
        if key == _REQUEST_ID_KEY and isinstance(value, str):
            request_id = value
    status = next(
        (status_pb2.Status.FromString(v) for k, v in metadata if k == _STATUS_KEY and isinstance(v, bytes)), None
    )
    code = error.code().name
    if status is None:
        kind = errors.Unavailable if code in _OF_A_RESET else _BY_CODE.get(code, VokeTagError)
        return kind(error.details() or f"the call ended with {code}", request_id=request_id)
    return from_status(status, code=code, request_id=request_id)


def from_status(status: status_pb2.Status, *, code: str, request_id: str) -> VokeTagError:
    """Return our error for the Status that the platform answered with."""
    info = error_details_pb2.ErrorInfo()
    fields = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        # Each of these fills itself from the one detail of its type and leaves the others alone.
        _ = detail.Unpack(info) or detail.Unpack(fields) or detail.Unpack(retry)
    reason = info.reason if info.domain == _DOMAIN else ""
    kind = BY_REASON.get(reason) or _BY_CODE.get(code, VokeTagError)
    return kind(
        status.message or f"the call ended with {code}",
        reason=reason,
        request_id=request_id,
        metadata=dict(info.metadata),
        violations=[Violation(each.field, each.description) for each in fields.field_violations],
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
    )
