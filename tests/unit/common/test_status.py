"""Errors cross the wire typed: out as google.rpc.Status, back as the same leaf."""

from base64 import b64encode
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.common import errors
from services.common.errors import VokeTagError
from services.common.rpc.status import DETAILS_KEY, from_rpc_error, grpc_code, to_status


def _unpack(status: status_pb2.Status) -> dict[str, object]:
    found: dict[str, object] = {}
    for detail in status.details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            message = kind()
            if detail.Unpack(message):
                found[kind.DESCRIPTOR.name] = message
    return found


def _rpc_error(status: status_pb2.Status) -> grpc.aio.AioRpcError:
    trailers = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(grpc_code(status), grpc.aio.Metadata(), trailers, status.message)


def test_a_status_has_exactly_one_error_info_with_the_reason() -> None:
    status = to_status(errors.DuplicateSku("A-1"))
    details = _unpack(status)
    info = details["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == ("DUPLICATE_SKU", "voketag", {"sku": "A-1"})
    assert status.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
    assert len(status.details) == 1


def test_field_violations_and_the_retry_delay_are_carried() -> None:
    violated = _unpack(to_status(errors.InvalidArgument.of("lot", "too long")))["BadRequest"]
    assert isinstance(violated, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in violated.field_violations] == [("lot", "too long")]
    retry = _unpack(to_status(errors.Unavailable(retry_after_seconds=1.5)))["RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 1500


@pytest.mark.parametrize(
    "error",
    [errors.UnitNotFound(), errors.RootConflict(), errors.ReceiptNotReady(), errors.ChainUnavailable("no node")],
)
def test_another_service_s_error_comes_back_as_the_same_leaf(error: VokeTagError) -> None:
    rebuilt = from_rpc_error(_rpc_error(to_status(error)))
    assert type(rebuilt) is type(error)
    assert rebuilt.message == error.message
    assert rebuilt.retry_after_seconds == error.retry_after_seconds


def test_a_call_that_reaches_nobody_is_unavailable() -> None:
    silence = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "refused")
    assert type(from_rpc_error(silence)) is errors.Unavailable


def test_a_reason_of_a_newer_service_is_an_error_all_the_same() -> None:
    status = to_status(errors.UnitNotFound())
    info = error_details_pb2.ErrorInfo(reason="FROM_THE_FUTURE", domain="voketag")
    status.details[0].Pack(info)
    assert type(from_rpc_error(_rpc_error(status))) is VokeTagError


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600", "\ud800"])
def test_a_text_that_repeats_a_callers_own_words_is_cut_to_what_trailers_carry(letter: str) -> None:
    status = to_status(errors.InvalidArgument.of("update_mask", f"unknown: {letter * 500_000}"))
    assert len(quote(status.message)) + len(b64encode(status.SerializeToString())) < 8 * 1024
    assert status.message.startswith("update_mask: unknown: ")
    assert status.message.endswith("...")
    details = _unpack(status)["BadRequest"]
    assert isinstance(details, error_details_pb2.BadRequest)
    assert [violation.field for violation in details.field_violations] == ["update_mask"]
