"""Errors are rebuilt from what the platform sends in machine-readable form, and from nothing else."""

import re
from pathlib import Path

import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from voketag.common.v1 import errors_pb2
from voketag_sdk import errors
from voketag_sdk._status import BY_REASON, from_status

CONTRACT = Path(__file__).parents[3] / "protos/voketag/common/v1/errors.proto"


def status(*details: Message, message: str = "say what to do") -> status_pb2.Status:
    packed = [any_pb2.Any() for _ in details]
    for box, detail in zip(packed, details, strict=True):
        box.Pack(detail)
    return status_pb2.Status(message=message, details=packed)


def info(reason: str, domain: str = "voketag", **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)


def test_every_reason_of_the_contract_has_a_class_of_its_own() -> None:
    reasons = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert BY_REASON.keys() == reasons - {"UNSPECIFIED"}
    assert len(set(BY_REASON.values())) == len(BY_REASON)


def test_every_class_has_the_status_code_that_the_contract_s_comment_names() -> None:
    documented = re.findall(r"// ([A-Z_]+) \d{3}: [^\n]*\n  ERROR_REASON_([A-Z_]+) =", CONTRACT.read_text())
    assert len(documented) == len(BY_REASON)
    assert {reason: BY_REASON[reason].code for _, reason in documented} == {reason: code for code, reason in documented}


def test_an_error_carries_all_that_the_platform_said() -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="product.gtin", description="has a wrong check digit")
    error = from_status(
        status(
            info("INVALID_ARGUMENT", hint="gtin"),
            error_details_pb2.BadRequest(field_violations=[violation]),
            error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000)),
        ),
        code="INVALID_ARGUMENT",
        request_id="r-1",
    )
    assert type(error) is errors.InvalidArgument
    assert error.reason == "INVALID_ARGUMENT"
    assert error.violations == (errors.Violation("product.gtin", "has a wrong check digit"),)
    assert error.metadata == {"hint": "gtin"}
    assert error.retry_after == 1.5
    assert str(error) == "say what to do (request r-1)"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NOT_FOUND", errors.NotFound),
        ("FAILED_PRECONDITION", errors.FailedPrecondition),
        ("UNAVAILABLE", errors.Unavailable),
        ("DATA_LOSS", errors.VokeTagError),
    ],
)
def test_a_reason_from_the_future_falls_back_to_its_status_code(code: str, kind: type[errors.VokeTagError]) -> None:
    error = from_status(status(info("MOON_NOT_FULL")), code=code, request_id="")
    assert type(error) is kind
    assert error.reason == "MOON_NOT_FULL"


def test_a_reason_of_somebody_else_s_domain_is_not_ours() -> None:
    error = from_status(status(info("UNKNOWN_CODE", domain="example.com")), code="NOT_FOUND", request_id="")
    assert type(error) is errors.NotFound
    assert error.reason == ""


def test_no_time_to_come_back_is_none() -> None:
    assert from_status(status(info("INTERNAL")), code="INTERNAL", request_id="").retry_after is None
