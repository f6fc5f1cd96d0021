"""What can go wrong, as one tree of exceptions.

The platform names the cause of every refusal by a reason (`voketag.common.v1.ErrorReason`), and each reason has a
class here; a reason that this version does not know yet becomes the class of its gRPC status code. Nothing here is
decided by the text of a message. This module imports nothing, so that auditors can use it without gRPC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from voketag_sdk.models import ApiKey, Batch, WebhookEndpoint


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that a request got wrong: its path in proto field names, and what to do about it."""

    field: str
    description: str


class VokeTagError(Exception):
    """Base of everything that the SDK raises on purpose.

    `reason` is the platform's stable name of the cause, empty when the platform itself did not answer; `request_id`
    finds the call in the platform's logs; `retry_after` is in seconds, None when waiting does not help.
    """

    code: ClassVar[str] = "UNKNOWN"
    """Name of the gRPC status code that this class stands for."""

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        request_id: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.request_id = request_id
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Return the message with the request id, which support asks for first."""
        return f"{self.message} (request {self.request_id})" if self.request_id else self.message


class InvalidArgument(VokeTagError):
    """A field is missing, malformed or out of range; `violations` names each."""

    code = "INVALID_ARGUMENT"


class MalformedCode(InvalidArgument):
    """Not the form of a unit code (20 characters of base64url). Read the code again."""


class MalformedProof(InvalidArgument):
    """A Merkle proof or receipt that is not well formed."""


class InvalidPageToken(InvalidArgument):
    """A page token that this listing did not give out."""


class WebhookTargetRefused(InvalidArgument):
    """The webhook's URL is not https, or its name leads to an address that is not public."""


class InvalidCsv(InvalidArgument):
    """A CSV file with faults; nothing of it was taken.

    `violations` names the first by line and column; `total` is how many there are, and `import_id` finds up to 1,000 of
    them (`batches.import_report`).
    """

    @property
    def total(self) -> int:
        """How many faults the file has."""
        return int(self.metadata.get("total", "0"))

    @property
    def import_id(self) -> str:
        """Id of the report."""
        return self.metadata.get("import_id", "")


class Unauthenticated(VokeTagError):
    """No credentials, or credentials that do not hold."""

    code = "UNAUTHENTICATED"


class WrongCredentials(Unauthenticated):
    """The e-mail address or the password is wrong."""


class PermissionDenied(VokeTagError):
    """The key is good and may not do this; `metadata["scope"]` names the missing scope."""

    code = "PERMISSION_DENIED"


class NotFound(VokeTagError):
    """What was asked for does not exist for this tenant."""

    code = "NOT_FOUND"


class UnknownCode(NotFound):
    """The code is well formed, and not one of the platform's: forged, or never issued."""


class ProductNotFound(NotFound):
    """No such product."""


class BatchNotFound(NotFound):
    """No such batch."""


class UnitNotFound(NotFound):
    """No such unit."""


class ApiKeyNotFound(NotFound):
    """No such API key."""


class WebhookNotFound(NotFound):
    """No such webhook endpoint or delivery."""


class DeadLetterNotFound(NotFound):
    """No such dead letter."""


class JobNotFound(NotFound):
    """The tenant has no such job, or no such report of a refused file."""


class AnchorNotFound(NotFound):
    """No such anchor."""


class TransactionNotFound(NotFound):
    """The chain knows no transaction of that hash."""


class EntryNotFound(NotFound):
    """No scan of that id is in the ledger; one of the last two seconds may not be in it yet."""


class ScanNotFound(NotFound):
    """No scan of that id."""


class ResourceNotFound(NotFound):
    """The ledger has no such file, or is not so long yet."""


class MethodNotFound(NotFound):
    """The address answers, but serves no such method. Is it the platform's edge?"""


class AlreadyExists(VokeTagError):
    """What should be made exists, and is not the same."""

    code = "ALREADY_EXISTS"


class DuplicateSku(AlreadyExists):
    """Another product has this SKU, `metadata["sku"]`."""


class IdempotencyConflict(AlreadyExists):
    """The request_id was used for a different request."""


class RootConflict(AlreadyExists):
    """The batch was submitted to the chain with another root."""


class FailedPrecondition(VokeTagError):
    """The state of things does not allow this now."""

    code = "FAILED_PRECONDITION"


class ProductArchived(FailedPrecondition):
    """The product is archived and takes no new batches."""


class WrongBatchState(FailedPrecondition):
    """The batch's state, `metadata["state"]`, does not allow this."""


class WrongAnchorState(FailedPrecondition):
    """The anchor's state, `metadata["state"]`, does not allow this."""


class ReceiptNotReady(FailedPrecondition):
    """The batch is still being issued. Ask for the receipt again after `retry_after`."""


class SigningKeyExhausted(FailedPrecondition):
    """The signing key has no numbers left. Ask the operator for a new one."""


class SandboxLimit(FailedPrecondition):
    """More units than a sandbox batch may have."""


class DeadLetterResolved(FailedPrecondition):
    """The dead letter was replayed or discarded already, `metadata["resolution"]`."""


class WebhookDisabled(FailedPrecondition):
    """The webhook endpoint is disabled. Enable it first."""


class WebhookLimit(FailedPrecondition):
    """The tenant has as many webhook endpoints as it may have. Delete one."""


class ResourceExhausted(VokeTagError):
    """Too much at once."""

    code = "RESOURCE_EXHAUSTED"


class RateLimited(ResourceExhausted):
    """Too many calls. Come back after `retry_after`."""


class FileTooLarge(ResourceExhausted):
    """The file is larger than 10 MiB; send it in parts. `batches.import_csv` takes files of any size."""


class RequestTooLarge(ResourceExhausted):
    """The request is larger than allowed."""


class Aborted(VokeTagError):
    """The call lost against another one."""

    code = "ABORTED"


class ConcurrentUpdate(Aborted):
    """Another call changed the same thing at the same time. Try again."""


class Unavailable(VokeTagError):
    """The platform, or a part that the answer needs, is down or not reached. Safe calls were tried again already."""

    code = "UNAVAILABLE"


class ChainUnavailable(Unavailable):
    """No node of the chain answers the platform."""


class DeadlineExceeded(VokeTagError):
    """The call ran out of its time (`timeout`). A write may have happened; its request_id makes a repeat safe."""

    code = "DEADLINE_EXCEEDED"


class Unimplemented(VokeTagError):
    """The platform has no such method: it is older than this SDK."""

    code = "UNIMPLEMENTED"


class InternalError(VokeTagError):
    """A fault of the platform's. The request id finds it in its logs."""

    code = "INTERNAL"


class WebhookRejected(VokeTagError):
    """What came to your webhook endpoint is not to be believed. Answer 400, and do nothing else with it."""

    code = "UNAUTHENTICATED"


class MalformedWebhook(WebhookRejected):
    """A webhook- header is missing or has not its form, or the body is no event."""


class WrongWebhookSignature(WebhookRejected):
    """None of the signatures was made with one of your secrets."""


class StaleWebhook(WebhookRejected):
    """Sent too long ago, or in the future: a replay of somebody's, or a clock that is wrong."""


class BatchStopped(VokeTagError):
    """A batch that was waited for ended FAILED, ANCHOR_FAILED or CANCELLED; `batch` says which, and why."""

    code = "FAILED_PRECONDITION"

    def __init__(self, batch: Batch) -> None:
        super().__init__(f"batch {batch.id} is {batch.state}: {batch.error or 'no error was recorded'}")
        self.batch = batch


class ApiKeySecretLost(VokeTagError):
    """The key was made, but the answer with its secret was lost, and a secret is told once.

    Revoke `api_key` and make another one.
    """

    code = "DATA_LOSS"

    def __init__(self, api_key: ApiKey) -> None:
        super().__init__(f"the secret of API key {api_key.id} was lost on its way; revoke that key and make another")
        self.api_key = api_key


class WebhookSecretLost(VokeTagError):
    """The endpoint has a new secret, but the answer with it was lost, and a secret is told once.

    Rotate the secret of `endpoint` again.
    """

    code = "DATA_LOSS"

    def __init__(self, endpoint: WebhookEndpoint) -> None:
        super().__init__(f"the secret of webhook endpoint {endpoint.id} was lost on its way; rotate it once more")
        self.endpoint = endpoint


class ExportBroken(VokeTagError):
    """An export that is not the rows 0, 1, 2, ... of its batch. Nothing was written."""

    code = "DATA_LOSS"


class StatementError(VokeTagError):
    """A statement about a batch that does not prove what it should."""

    code = "FAILED_PRECONDITION"


class MalformedStatement(StatementError):
    """Not a statement about a batch."""


class StatementNotSigned(StatementError):
    """No key that is trusted signed it as it stands."""


class StatementMismatch(StatementError):
    """The statement is about another batch or tree than the one in hand."""


class ReceiptError(VokeTagError):
    """A receipt that does not prove what it should."""

    code = "FAILED_PRECONDITION"


class MalformedReceipt(ReceiptError):
    """Not a receipt of format `voketag-receipt/v1`."""


class ReceiptMismatch(ReceiptError):
    """The parts of the receipt do not fit together, or not with what it is held against. It proves nothing."""


class NotAnchored(ReceiptError):
    """The receipt names no chain yet: only the platform vouches for it. Ask for it again later."""


class WrongChain(ReceiptError):
    """The JSON-RPC URL is of another chain than the receipt names."""


class WrongContract(ReceiptError):
    """The receipt leads to another contract than the trusted one."""


class RootNotOnChain(ReceiptError):
    """The contract does not hold the receipt's root."""


class RootNotInTransaction(RootNotOnChain):
    """The contract holds the root, but another transaction than the receipt's wrote it."""


class TransactionNotOnChain(ReceiptError):
    """The chain does not know the receipt's transaction, or it is in no block yet."""


class TransactionFailed(ReceiptError):
    """The receipt's transaction was executed and failed."""


class TooFewConfirmations(ReceiptError):
    """The transaction is not deep enough yet; `confirmations` of `required`."""

    def __init__(self, confirmations: int, required: int) -> None:
        super().__init__(f"the transaction has {confirmations} of {required} confirmations; ask again later")
        self.confirmations = confirmations
        self.required = required


class ChainUnreachable(ReceiptError):
    """The JSON-RPC URL does not answer as one. It says nothing about the receipt."""

    code = "UNAVAILABLE"
