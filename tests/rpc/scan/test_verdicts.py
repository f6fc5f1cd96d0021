"""Verdicts through the production server: what a consumer is told, and that it is recorded."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import jwt
import pytest

from tests.rpc.calls import refusal
from tests.rpc.scan.clients import TRANSPORTS, Consumer
from tests.rpc.scan.registry import Registry
from voketag.scan.v1 import scan_pb2
from voketag_kernel.codes import UnitCodeKey


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    return str(request.param)


async def test_a_first_scan_is_authentic_and_says_so(consumer: Consumer, registry: Registry) -> None:
    batch = await registry.issue()
    answer = await consumer.scan(batch.codes[0])
    assert answer.valid
    assert answer.verdict == scan_pb2.VERDICT_AUTHENTIC
    assert answer.risk_score == 0
    assert not answer.risk_factors
    assert answer.message == "This code is genuine, and you are the first to check it."
    assert (answer.product.id, answer.product.name, answer.product.gtin, answer.product.category) == (
        str(batch.product_id),
        "Olive oil",
        "4006381333931",
        "Food",
    )
    assert (answer.batch.id, answer.batch.lot, answer.batch.manufactured_at, answer.batch.expires_at) == (
        str(batch.batch_id),
        "L-7",
        "2026-01-31",
        "",
    )
    assert (answer.unit.serial, answer.unit.state) == ("S000000", scan_pb2.UNIT_STATE_ACTIVE)
    assert (answer.history.total_scans, answer.history.recent_scans, answer.history.unique_devices) == (1, 1, 1)
    assert answer.history.first_scan_at == answer.scanned_at
    assert abs(answer.scanned_at.ToDatetime(tzinfo=UTC) - datetime.now(UTC)) < timedelta(seconds=10)
    assert not answer.degraded


async def test_what_is_answered_is_recorded(consumer: Consumer, registry: Registry) -> None:
    batch = await registry.issue()
    answer = await consumer.scan(batch.codes[0])
    [row] = await registry.sql("SELECT * FROM scan.scan_events")
    assert row["verification_id"] == UUID(answer.verification_id)
    assert row["unit_id"] == batch.unit_ids[0]
    assert row["batch_id"] == batch.batch_id
    assert row["scanned_at"] == answer.scanned_at.ToDatetime(tzinfo=UTC)
    assert (row["verdict"], row["risk_score"], row["risk_factors"], row["degraded"]) == (1, 0, [], False)
    assert (len(row["device_hash"]), len(row["address_hash"])) == (16, 16)
    assert row["device_hash"] != row["address_hash"]
    [counter] = await registry.sql("SELECT * FROM scan.unit_scans")
    assert (counter["unit_id"], counter["total_scans"]) == (batch.unit_ids[0], 1)
    assert counter["first_scan_at"] == counter["last_scan_at"] == row["scanned_at"]


async def test_a_burst_from_many_devices_becomes_a_warning_and_then_high_risk(
    consumer: Consumer, registry: Registry
) -> None:
    batch = await registry.issue()
    devices = [consumer.using(address=f"198.51.100.{device}") for device in range(11)]
    answers = [await device.scan(batch.codes[0]) for device in devices]
    assert [answer.risk_score for answer in answers] == [0, 0, 35, 35, 65, 65, 65, 65, 65, 85, 100]
    assert [answer.verdict for answer in answers] == (
        [scan_pb2.VERDICT_AUTHENTIC] * 4 + [scan_pb2.VERDICT_WARNING] * 5 + [scan_pb2.VERDICT_HIGH_RISK] * 2
    )
    assert all(answer.valid for answer in answers), "the code stays genuine"
    assert [answer.history.total_scans for answer in answers] == list(range(1, 12))
    assert [answer.history.recent_scans for answer in answers] == list(range(1, 12))
    last = answers[-1]
    assert [(factor.factor, factor.weight) for factor in last.risk_factors] == [
        ("rapid_scans", 35),
        ("high_frequency", 30),
        ("many_devices", 20),
        ("unusual_repetition", 15),
    ]
    assert last.risk_factors[0].detail == "3 devices or more began to check the code within half a minute."
    assert last.history.first_scan_at == answers[0].scanned_at
    recorded = await registry.sql("SELECT risk_score FROM scan.scan_events ORDER BY scanned_at")
    assert [row["risk_score"] for row in recorded] == [answer.risk_score for answer in answers]


async def test_an_owner_who_reloads_is_no_burst(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    answers = [await consumer.scan(code) for _ in range(10)]
    assert [answer.risk_score for answer in answers] == [0] * 10
    assert [answer.history.recent_scans for answer in answers] == list(range(1, 11))


async def test_a_program_is_suspicious(consumer: Consumer, registry: Registry) -> None:
    batch = await registry.issue()
    answer = await consumer.using(user_agent="curl/8.9.1").scan(batch.codes[0])
    assert [(factor.factor, factor.weight) for factor in answer.risk_factors] == [("suspicious_user_agent", 25)]
    assert (answer.risk_score, answer.verdict) == (25, scan_pb2.VERDICT_AUTHENTIC)


async def test_the_message_never_denies_a_factor(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    program = consumer.using(user_agent="curl/8.9.1")
    messages = [(await each.scan(code)).message for each in (program, program)]
    assert messages == [
        "This code is genuine, and you are the first to check it.",
        "This code is genuine. Something about its checks is unusual, which by itself means little.",
    ]


async def test_devices_are_told_apart_and_counted(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    first = await consumer.scan(code)
    again = await consumer.scan(code)
    other = await consumer.using(address="203.0.113.9").scan(code)
    counts = [answer.history.unique_devices for answer in (first, again, other)]
    assert counts == [1, 1, 2]


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (2, scan_pb2.VERDICT_SUSPENDED),
        (3, scan_pb2.VERDICT_RECALLED),
        (4, scan_pb2.VERDICT_BLOCKED),
    ],
)
async def test_the_makers_word_overrides_the_score(
    consumer: Consumer, registry: Registry, state: int, verdict: int
) -> None:
    batch = await registry.issue()
    await registry.sql("UPDATE factory.units SET state = $1", state)
    answer = await consumer.scan(batch.codes[0])
    assert not answer.valid
    assert answer.verdict == verdict
    assert answer.unit.state == state


async def test_a_unit_expires_after_its_last_day(consumer: Consumer, registry: Registry) -> None:
    today = datetime.now(UTC).date()
    fresh = await registry.issue(expires_at=today)
    old = await registry.issue(expires_at=today - timedelta(days=1))
    assert (await consumer.scan(fresh.codes[0])).verdict == scan_pb2.VERDICT_AUTHENTIC
    expired = await consumer.scan(old.codes[0])
    assert (expired.verdict, expired.valid) == (scan_pb2.VERDICT_EXPIRED, False)
    assert date.fromisoformat(expired.batch.expires_at) == today - timedelta(days=1)


@pytest.mark.parametrize("code", ["", "short", "A" * 21, "AAGXVeoLPTTJ3dQ-a1e!", "A" * 100_000, "ÄAGXVeoLPTTJ3dQ-a1eL"])
async def test_what_is_no_code_is_malformed(consumer: Consumer, code: str) -> None:
    answer = await refusal(consumer.scan(code))
    assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "MALFORMED_CODE")


async def test_whatever_is_wrong_with_a_code_the_answer_is_the_same(consumer: Consumer, registry: Registry) -> None:
    issued = (await registry.issue()).codes[0]
    cancelled = (await registry.issue(state="CANCELLED")).codes[0]
    cancelled_halfway = (await registry.issue(2, state="CANCELLED", issued=1)).codes[0]
    half_issued = (await registry.issue(2, state="ISSUING", issued=1)).codes[0]
    wrong_key_of_ours = UnitCodeKey(1, b"x" * 32).mint(0).code
    unknown_key = UnitCodeKey(7, b"x" * 32).mint(0).code
    forged = issued[:-1] + ("A" if issued[-1] != "A" else "B")
    void = [cancelled, cancelled_halfway]
    codes = [*void, half_issued, wrong_key_of_ours, unknown_key, forged, registry.never_issued()]
    answers = [await refusal(consumer.scan(code)) for code in codes]
    assert len(set(map(repr, answers))) == 1
    assert (answers[0].code, answers[0].reason) == ("NOT_FOUND", "UNKNOWN_CODE")
    assert [await refusal(consumer.receipt(code)) for code in codes] == answers
    assert await registry.sql("SELECT 1 FROM scan.scan_events") == []


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("pt-BR,pt;q=0.9", "Este código é genuíno, e você é a primeira pessoa a verificá-lo."),
        ("es-MX", "Este código es genuino y usted es la primera persona en comprobarlo."),
        ("de, fr;q=0.5", "This code is genuine, and you are the first to check it."),
    ],
)
async def test_the_message_is_in_the_readers_language(
    consumer: Consumer, registry: Registry, header: str, message: str
) -> None:
    batch = await registry.issue()
    assert (await consumer.using(language=header).scan(batch.codes[0])).message == message


async def test_a_verdict_can_be_had_signed(consumer: Consumer, registry: Registry) -> None:
    batch = await registry.issue()
    assert not (await consumer.scan(batch.codes[0])).signed_verdict
    answer = await consumer.scan(batch.codes[0], signed=True)
    keys = jwt.PyJWKSet.from_json((await consumer.jwks()).data.decode())
    assert [key.key_id for key in keys.keys] == ["verdict-1", "verdict-2"]
    kid = jwt.get_unverified_header(answer.signed_verdict)["kid"]
    said = jwt.decode(answer.signed_verdict, keys[kid].key, algorithms=["EdDSA"])
    assert (said["jti"], said["code"], said["verdict"]) == (answer.verification_id, batch.codes[0], "AUTHENTIC")
    assert (said["code_genuine"], said["valid"], said["serial"]) == (True, True, "S000000")
    assert abs(said["iat"] - datetime.now(UTC).timestamp()) < 10
    head, body, signature = answer.signed_verdict.split(".")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(f"{head}.{body[:-4]}AAAA.{signature}", keys[kid].key, algorithms=["EdDSA"])


async def test_the_answer_tells_the_code_apart_from_the_item(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    await registry.sql("UPDATE factory.units SET state = 3, state_reason = 5")
    answer = await consumer.scan(code)
    assert (answer.code_genuine, answer.valid) == (True, False)
    assert answer.unit.state_reason == scan_pb2.UNIT_STATE_REASON_QUALITY
    assert answer.advice.startswith("Stop using the item and keep it apart.")


async def test_a_sandbox_batch_says_that_it_is_one(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    await registry.sql("UPDATE factory.batches SET sandbox = true")
    assert (await consumer.scan(code)).sandbox
    assert "Trial code" in await consumer.page(code)


async def test_a_tenants_thresholds_and_switches_are_obeyed_within_a_second(
    consumer: Consumer, registry: Registry
) -> None:
    code = (await registry.issue()).codes[0]
    program = consumer.using(user_agent="curl/8.9.1")
    assert (await program.scan(code)).verdict == scan_pb2.VERDICT_AUTHENTIC
    await registry.sql("UPDATE factory.tenant_settings SET warning_above = 10, high_risk_above = 20")
    await asyncio.sleep(1)
    assert (await program.scan(code)).verdict == scan_pb2.VERDICT_HIGH_RISK
    await registry.sql("UPDATE factory.tenant_settings SET disabled_factors = '{suspicious_user_agent}'")
    await asyncio.sleep(1)
    assert (await program.scan(code)).risk_score == 0


async def test_the_server_says_that_it_is_up_and_ready(consumer: Consumer) -> None:
    assert (await consumer.health()).status == "ok"
    assert (await consumer.ready()).status == "ready"
