"""Reports of consumers: kept once, tied to their scan, limited, and on their way to Factory."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.rpc.calls import refusal
from tests.rpc.scan.clients import TRANSPORTS, Consumer
from tests.rpc.scan.registry import Registry


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    return str(request.param)


async def test_a_report_is_kept_and_tied_to_its_scan(consumer: Consumer, registry: Registry) -> None:
    batch = await registry.issue()
    scan = await consumer.scan(batch.codes[0])
    answer = await consumer.report(
        verification_id=scan.verification_id, reason="counterfeit", details="the print is blurred"
    )
    assert not answer.already_reported
    assert answer.message == "Thank you. The maker has your report now."
    [row] = await registry.sql("SELECT * FROM scan.reports")
    assert (str(row["report_id"]), str(row["verification_id"])) == (answer.report_id, scan.verification_id)
    assert (row["unit_id"], row["batch_id"], row["reason"]) == (batch.unit_ids[0], batch.batch_id, "counterfeit")
    [watch] = await registry.sql("SELECT * FROM scan.unit_watch")
    assert (watch["unit_id"], watch["reports"]) == (batch.unit_ids[0], 1)
    [notice] = await registry.sql("SELECT kind, notice_id, details->>'reason' AS reason FROM scan.notices")
    assert (notice["kind"], str(notice["notice_id"]), notice["reason"]) == ("REPORTED", answer.report_id, "counterfeit")


async def test_one_device_reports_a_unit_once_a_day_and_another_device_again(
    consumer: Consumer, registry: Registry
) -> None:
    code = (await registry.issue()).codes[0]
    first = await consumer.report(code=code, reason="damaged")
    again = await consumer.report(code=code, reason="stolen")
    other = await consumer.using(address="203.0.113.9").report(code=code, reason="stolen")
    assert (again.report_id, again.already_reported) == (first.report_id, True)
    assert (other.report_id == first.report_id, other.already_reported) == (False, False)
    [watch] = await registry.sql("SELECT reports FROM scan.unit_watch")
    assert watch["reports"] == 2


async def test_a_request_id_names_one_report(consumer: Consumer, registry: Registry) -> None:
    codes = (await registry.issue(2)).codes
    request_id = str(uuid4())
    first = await consumer.report(code=codes[0], reason="other", request_id=request_id)
    assert (await consumer.report(code=codes[0], reason="other", request_id=request_id)).report_id == first.report_id
    answer = await refusal(consumer.report(code=codes[1], reason="other", request_id=request_id))
    assert answer.reason == "IDEMPOTENCY_CONFLICT"


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"code": "short", "reason": "other"}, "MALFORMED_CODE"),
        ({"code": "A" * 20, "reason": "other"}, "UNKNOWN_CODE"),
        ({"verification_id": "0197a1b2-0000-7000-8000-000000000000", "reason": "other"}, "SCAN_NOT_FOUND"),
        ({"verification_id": "ffffffff-ffff-4fff-bfff-ffffffffffff", "reason": "other"}, "SCAN_NOT_FOUND"),
        ({"reason": "other"}, "INVALID_ARGUMENT"),
        ({"code": "A" * 20, "reason": "boredom"}, "INVALID_ARGUMENT"),
        ({"code": "A" * 20, "reason": "other", "details": "x" * 2001}, "INVALID_ARGUMENT"),
    ],
)
async def test_what_is_no_report_is_refused(consumer: Consumer, report: dict[str, str], reason: str) -> None:
    assert (await refusal(consumer.report(**report))).reason == reason


async def test_a_scan_of_another_code_is_refused_whatever_is_wrong_with_the_code(
    consumer: Consumer, registry: Registry
) -> None:
    codes = (await registry.issue(2)).codes
    scan = await consumer.scan(codes[0])
    answers = [
        await refusal(consumer.report(verification_id=scan.verification_id, code=code, reason="other"))
        for code in (codes[1], registry.never_issued(), "A" * 20)
    ]
    assert {answer.reason for answer in answers} == {"INVALID_ARGUMENT"}
    assert len({answer.message for answer in answers}) == 1


async def test_an_address_sends_so_many_reports_a_day(consumer: Consumer, registry: Registry) -> None:
    codes = (await registry.issue(22)).codes
    for code in codes[:20]:
        await consumer.report(code=code, reason="other")
    answer = await refusal(consumer.report(code=codes[20], reason="other"))
    assert (answer.code, answer.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert answer.retry_after_seconds
    await registry.sql("UPDATE scan.reports SET reported_at = $1", datetime.now(UTC) - timedelta(days=1, minutes=1))
    assert not (await consumer.report(code=codes[20], reason="other")).already_reported


async def test_the_form_of_the_page_is_a_report(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    scan = await consumer.scan(code)
    form = {"reason": "mismatch", "details": "another colour", "verification_id": scan.verification_id}
    page = await consumer.send_form(code, urlencode(form).encode())
    assert "<h1>Thank you for your report</h1>" in page
    [row] = await registry.sql("SELECT reason, details FROM scan.reports")
    assert (row["reason"], row["details"]) == ("mismatch", "another colour")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"reason=boredom", "application/x-www-form-urlencoded"),
        (b"reason=other&verification_id=1", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"a=1&" * 100, "application/x-www-form-urlencoded"),
        (b'{"reason":"other"}', "application/json"),
    ],
)
async def test_a_form_that_is_not_whole_says_so(
    consumer: Consumer, registry: Registry, body: bytes, content_type: str
) -> None:
    code = (await registry.issue()).codes[0]
    assert "<h1>The report is not complete</h1>" in await consumer.send_form(code, body, content_type)
    assert await registry.sql("SELECT 1 FROM scan.reports") == []
