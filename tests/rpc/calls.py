"""Calling a server as a client does: the generated stub with one credential, and refusals taken apart."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2


class Client:
    """The generated stub of a service, every call with the same metadata: `await client.GetProduct(request)`."""

    def __init__(self, stub: Any, credential: str = "") -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {credential}"),) if credential else ()

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._stub, method)
        return lambda request, **more: call(request, **{"metadata": self._metadata, "timeout": 20, **more})


@dataclass(frozen=True)
class Refusal:
    """What a refused call says."""

    code: str
    reason: str
    message: str
    metadata: dict[str, str]
    fields: list[str]
    retry_after_seconds: float | None


async def refusal(call: Awaitable[Any]) -> Refusal:
    """Make a call that must be refused, and return how it was."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError(f"expected a refusal, got {answer}")


async def whole(stream: Any) -> list[Any]:
    """Read a stream to its end."""
    return [message async for message in stream]


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """Read what a refused call says."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    infos = [unpacked for detail in status.details if (unpacked := _as(detail, error_details_pb2.ErrorInfo))]
    assert len(infos) == 1, "every error has exactly one ErrorInfo"
    assert infos[0].domain == "voketag"
    assert (status.code, status.message) == (error.code().value[0], error.details())
    bad = [unpacked for detail in status.details if (unpacked := _as(detail, error_details_pb2.BadRequest))]
    retry = [unpacked for detail in status.details if (unpacked := _as(detail, error_details_pb2.RetryInfo))]
    return Refusal(
        code=error.code().name,
        reason=infos[0].reason,
        message=status.message,
        metadata=dict(infos[0].metadata),
        fields=[violation.field for found in bad for violation in found.field_violations],
        retry_after_seconds=retry[0].retry_delay.ToTimedelta().total_seconds() if retry else None,
    )


def _as(detail: Any, kind: Any) -> Any:
    unpacked = kind()
    return unpacked if detail.Unpack(unpacked) else None
