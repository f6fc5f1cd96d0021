"""The one tree of expected errors.

Each leaf has one reason of `voketag.common.v1.ErrorReason` (without its prefix) and one gRPC status code;
`rpc/status.py` turns it into `google.rpc.Status`, and the SDK rebuilds the tree from the reason, never from the
text. An error that is not in this tree is a fault of ours: it is logged with its traceback and leaves as
INTERNAL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Code(Enum):
    """gRPC status codes (https://grpc.io/docs/guides/status-codes/)."""

    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that a request got wrong: its path in proto field names, and what to do about it."""

    field: str
    description: str


class VokeTagError(Exception):
    """Base of the tree. The message is for the caller: it says what to do and gives no internals away."""

    code: ClassVar[Code] = Code.INTERNAL
    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds


class InvalidArgument(VokeTagError):
    """A field is missing, malformed or out of range."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_ARGUMENT"

    @classmethod
    def of(cls, field: str, description: str) -> "InvalidArgument":
        """Make the error for a single field."""
        return cls(f"{field}: {description}", violations=[Violation(field, description)])


class MalformedCode(InvalidArgument):
    """Not the form of a unit code."""

    reason = "MALFORMED_CODE"

    def __init__(self) -> None:
        super().__init__("a unit code has exactly 20 characters of A-Z a-z 0-9 - _; read the code again")


class MalformedProof(InvalidArgument):
    """A Merkle proof that is not well formed."""

    reason = "MALFORMED_PROOF"


class InvalidPageToken(InvalidArgument):
    """A page token that this listing did not give out."""

    reason = "INVALID_PAGE_TOKEN"

    def __init__(self) -> None:
        super().__init__("page_token is not one of this listing's; start again without it")


class WebhookTargetRefused(InvalidArgument):
    """A webhook's target that is not https, or leads to an address that is not public."""

    reason = "WEBHOOK_TARGET_REFUSED"

    def __init__(self, description: str) -> None:
        super().__init__(f"url: {description}", violations=[Violation("url", description)])


class InvalidCsv(InvalidArgument):
    """A CSV file with faults. `import_id` names the report that has more of them than fit here."""

    reason = "INVALID_CSV"

    def __init__(self, *, total: int, import_id: str, violations: Sequence[Violation]) -> None:
        first = f"{violations[0].field}: {violations[0].description}"
        super().__init__(
            f"the file has {total} fault(s), the first in {first}; nothing of it was taken",
            metadata={"total": str(total), "import_id": import_id},
            violations=violations,
        )


class Unauthenticated(VokeTagError):
    """No credentials, or credentials that do not hold."""

    code = Code.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"

    def __init__(self, message: str = "send an API key or an access token in `authorization: Bearer ...`") -> None:
        super().__init__(message)


class WrongCredentials(Unauthenticated):
    """A failed login."""

    reason = "WRONG_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("the e-mail address or the password is wrong")


class PermissionDenied(VokeTagError):
    """A known caller who may not do this."""

    code = Code.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class NotFound(VokeTagError):
    """What was asked for does not exist for this caller."""

    code = Code.NOT_FOUND


class UnknownCode(NotFound):
    """Well-formed, and not one of ours; the same answer whatever failed."""

    reason = "UNKNOWN_CODE"

    def __init__(self) -> None:
        super().__init__("this code was not issued here")


class ProductNotFound(NotFound):
    """No such product for the tenant."""

    reason = "PRODUCT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no such product")


class BatchNotFound(NotFound):
    """No such batch for the tenant."""

    reason = "BATCH_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no such batch")


class UnitNotFound(NotFound):
    """No such unit for the tenant."""

    reason = "UNIT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no such unit")


class ApiKeyNotFound(NotFound):
    """No such API key for the tenant."""

    reason = "API_KEY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no such API key")


class WebhookNotFound(NotFound):
    """No such webhook endpoint or delivery for the tenant."""

    reason = "WEBHOOK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no such webhook endpoint or delivery")


class DeadLetterNotFound(NotFound):
    """No such dead letter for the tenant."""

    reason = "DEAD_LETTER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no such dead letter")


class JobNotFound(NotFound):
    """No such job, or report of a refused file, for the tenant."""

    reason = "JOB_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no such job; reports of refused files are kept for 24 hours")


class AnchorNotFound(NotFound):
    """No such anchor."""

    reason = "ANCHOR_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no such anchor")


class TransactionNotFound(NotFound):
    """The chain does not know the transaction."""

    reason = "TRANSACTION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("the chain knows no transaction of that hash")


class EntryNotFound(NotFound):
    """No scan of that id is in the ledger."""

    reason = "ENTRY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__(
            "no scan of that id is in the ledger; one of the last two seconds may not be in it yet, and one from "
            "before the operator's retention not any more"
        )


class ScanNotFound(NotFound):
    """No scan of that id."""

    reason = "SCAN_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no scan of that id")


class ResourceNotFound(NotFound):
    """The log has no such file."""

    reason = "RESOURCE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("the log has no such file, or is not so long yet; its checkpoint says how long it is")


class AlreadyExists(VokeTagError):
    """What should be made exists, and is not the same."""

    code = Code.ALREADY_EXISTS


class DuplicateSku(AlreadyExists):
    """Another product of the tenant has this SKU."""

    reason = "DUPLICATE_SKU"

    def __init__(self, sku: str) -> None:
        super().__init__(
            f"a product with SKU {sku!r} exists; choose another SKU or update that product",
            metadata={"sku": sku},
        )


class IdempotencyConflict(AlreadyExists):
    """A request_id used for two different requests."""

    reason = "IDEMPOTENCY_CONFLICT"

    def __init__(self) -> None:
        super().__init__("request_id was used for a different request; make a new one for a new request")


class RootConflict(AlreadyExists):
    """A batch submitted with another root or size."""

    reason = "ROOT_CONFLICT"

    def __init__(self) -> None:
        super().__init__("the batch was submitted with another root or size; a batch has one root for ever")


class FailedPrecondition(VokeTagError):
    """The state of things does not allow this now."""

    code = Code.FAILED_PRECONDITION


class ProductArchived(FailedPrecondition):
    """The product takes no new batches."""

    reason = "PRODUCT_ARCHIVED"

    def __init__(self) -> None:
        super().__init__("the product is archived and takes no new batches")


class WrongBatchState(FailedPrecondition):
    """The batch's state does not allow this."""

    reason = "BATCH_STATE"

    def __init__(self, state: str, needed: str) -> None:
        super().__init__(f"the batch is {state}; this needs {needed}", metadata={"state": state})


class WrongAnchorState(FailedPrecondition):
    """The anchor's state does not allow this."""

    reason = "ANCHOR_STATE"

    def __init__(self, state: str, needed: str) -> None:
        super().__init__(f"the anchor is {state}; this needs {needed}", metadata={"state": state})


class ReceiptNotReady(FailedPrecondition):
    """The batch has no root yet."""

    reason = "RECEIPT_NOT_READY"

    def __init__(self) -> None:
        super().__init__("the batch is still being issued; ask for the receipt again later", retry_after_seconds=5)


class SigningKeyExhausted(FailedPrecondition):
    """The signing key has too few numbers left, or is missing."""

    reason = "SIGNING_KEY_EXHAUSTED"


class SandboxLimit(FailedPrecondition):
    """More units than a sandbox batch may have."""

    reason = "SANDBOX_LIMIT"

    def __init__(self, limit: int) -> None:
        super().__init__(f"in sandbox mode a batch has at most {limit} units; leave sandbox mode in the settings")


class DeadLetterResolved(FailedPrecondition):
    """Somebody decided about the dead letter already."""

    reason = "DEAD_LETTER_RESOLVED"

    def __init__(self, resolution: str) -> None:
        super().__init__(f"the dead letter was {resolution} already", metadata={"resolution": resolution})


class WebhookDisabled(FailedPrecondition):
    """Nothing is sent to a disabled endpoint."""

    reason = "WEBHOOK_DISABLED"

    def __init__(self) -> None:
        super().__init__("the webhook endpoint is disabled; enable it first")


class WebhookLimit(FailedPrecondition):
    """As many endpoints as a tenant may have."""

    reason = "WEBHOOK_LIMIT"

    def __init__(self, limit: int) -> None:
        super().__init__(f"a tenant has at most {limit} webhook endpoints; delete one first")


class ResourceExhausted(VokeTagError):
    """Too much at once."""

    code = Code.RESOURCE_EXHAUSTED


class RateLimited(ResourceExhausted):
    """Too many calls."""

    reason = "RATE_LIMITED"


class FileTooLarge(ResourceExhausted):
    """A file that is too large for a single request."""

    reason = "FILE_TOO_LARGE"

    def __init__(self) -> None:
        super().__init__("a file has at most 10 MiB here; send larger ones by the gRPC stream ImportUnits, or in parts")


class ConcurrentUpdate(VokeTagError):
    """Two calls changed the same thing, and this one lost."""

    code = Code.ABORTED
    reason = "CONCURRENT_UPDATE"

    def __init__(self, message: str = "another call changed this at the same time; try again") -> None:
        super().__init__(message, retry_after_seconds=0.2)


class Unavailable(VokeTagError):
    """A part that the answer needs is down. Nothing was recorded."""

    code = Code.UNAVAILABLE
    reason = "UNAVAILABLE"

    def __init__(
        self, message: str = "temporarily unavailable; try again", *, retry_after_seconds: float = 1.0
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)


class ChainUnavailable(Unavailable):
    """No node of the chain answers."""

    reason = "CHAIN_UNAVAILABLE"


class DeadlineExceeded(VokeTagError):
    """The call ran out of its time."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"

    def __init__(self) -> None:
        super().__init__("the call ran out of its time")
