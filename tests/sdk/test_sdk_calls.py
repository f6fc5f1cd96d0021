"""Calls on a bad day: deadlines, retries, and errors that say what happened."""

import asyncio
import subprocess
import sys
import time
from io import BytesIO, StringIO
from typing import Any
from uuid import UUID

import grpc
import pytest

from tests.sdk.platform_double import PlatformDouble, Refusal
from voketag.factory.v1 import factory_pb2
from voketag.scan.v1 import scan_pb2
from voketag_sdk import AsyncClient, Client, RetryPolicy, UnitState, errors

PRODUCT = factory_pb2.Product(product_id="p-1", sku="A-1")
DOWN = Refusal(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
BROKEN = Refusal(grpc.StatusCode.UNAVAILABLE)


async def test_a_call_carries_the_key_a_deadline_and_a_request_id(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"GetProduct": [PRODUCT]}
    await client.products.get("p-1", timeout=5)
    [seen] = double.seen
    assert seen.metadata["authorization"] == "Bearer vkt_key_secret"
    assert str(UUID(seen.metadata["x-request-id"])) == seen.metadata["x-request-id"]
    assert seen.metadata["user-agent"].startswith("voketag-python/0.1.0 ")
    assert seen.seconds_left is not None
    assert 3 < seen.seconds_left <= 5.1  # gRPC rounds timeouts up


async def test_a_write_survives_two_failures_as_one_and_the_same_request(
    double: PlatformDouble, client: AsyncClient
) -> None:
    double.script = {"CreateProduct": [DOWN, BROKEN, PRODUCT]}
    assert (await client.products.create(sku="A-1", name="Aurora")).id == "p-1"
    assert len(double.seen) == 3
    [request_id] = {seen.request.request_id for seen in double.seen}
    assert UUID(request_id).version == 4


async def test_a_reset_connection_is_tried_again_and_a_fault_of_the_platform_is_not(
    double: PlatformDouble, client: AsyncClient
) -> None:
    double.script = {"GetProduct": [Refusal(grpc.StatusCode.INTERNAL), Refusal(grpc.StatusCode.CANCELLED), PRODUCT]}
    assert (await client.products.get("p-1")).id == "p-1"
    double.script = {"GetProduct": [Refusal(grpc.StatusCode.INTERNAL, "INTERNAL"), PRODUCT]}
    with pytest.raises(errors.InternalError):
        await client.products.get("p-1")


async def test_two_calls_are_two_requests_unless_the_caller_says_otherwise(
    double: PlatformDouble, client: AsyncClient
) -> None:
    double.script = {"CreateProduct": [PRODUCT]}
    for request_id in (None, None, "mine", "mine"):
        await client.products.create(sku="A-1", name="Aurora", request_id=request_id)
    first, second, third, fourth = (seen.request.request_id for seen in double.seen)
    assert first != second
    assert third == fourth == "mine"


async def test_the_last_error_is_raised_when_all_attempts_fail(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"GetProduct": [DOWN]}
    with pytest.raises(errors.Unavailable) as raised:
        await client.products.get("p-1")
    assert len(double.seen) == 4
    assert raised.value.reason == "UNAVAILABLE"
    assert raised.value.request_id == double.seen[-1].metadata["x-request-id"]


async def test_a_refusal_is_final(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"GetProduct": [Refusal(grpc.StatusCode.NOT_FOUND, "PRODUCT_NOT_FOUND")]}
    with pytest.raises(errors.ProductNotFound):
        await client.products.get("p-1")
    assert len(double.seen) == 1


async def test_a_client_comes_back_no_sooner_than_the_platform_asked(
    double: PlatformDouble, client: AsyncClient
) -> None:
    busy = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry_seconds=0.3)
    double.script = {"GetProduct": [busy, PRODUCT]}
    started = time.monotonic()
    await client.products.get("p-1")
    assert time.monotonic() - started >= 0.3


async def test_a_wait_that_passes_the_deadline_is_not_begun(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"GetProduct": [Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry_seconds=60)]}
    started = time.monotonic()
    with pytest.raises(errors.RateLimited) as raised:
        await client.products.get("p-1", timeout=5)
    assert raised.value.retry_after == 60
    assert time.monotonic() - started < 3


async def test_a_platform_that_does_not_answer_costs_the_timeout_and_no_more(
    double: PlatformDouble, client: AsyncClient
) -> None:
    async def never(_: Any) -> factory_pb2.Product:
        await asyncio.sleep(30)
        return PRODUCT

    double.script = {"GetProduct": [never]}
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        await client.products.get("p-1", timeout=0.3)
    assert time.monotonic() - started < 3


async def test_nobody_at_the_address_is_unavailable() -> None:
    policy = RetryPolicy(attempts=2, initial_seconds=0.01, max_seconds=0.01)
    async with AsyncClient("http://127.0.0.1:9", retry=policy) as client:
        with pytest.raises(errors.Unavailable) as raised:
            await client.products.get("p-1")
    assert raised.value.reason == ""


@pytest.mark.parametrize("failure", [DOWN, BROKEN])
async def test_a_scan_is_never_made_twice(double: PlatformDouble, client: AsyncClient, failure: Refusal) -> None:
    double.script = {"Scan": [failure, scan_pb2.ScanResponse()]}
    with pytest.raises(errors.Unavailable):
        await client.scan("AAAAAAAAAAAAAAAAAAAA")
    assert len(double.seen) == 1


async def test_a_scan_that_was_turned_away_is_made_again(double: PlatformDouble, client: AsyncClient) -> None:
    busy = Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry_seconds=0.01)
    double.script = {"Scan": [busy, scan_pb2.ScanResponse(verification_id="v-1")]}
    assert (await client.scan("AAAAAAAAAAAAAAAAAAAA", timezone="UTC")).verification_id == "v-1"
    assert double.seen[1].request.device.timezone == "UTC"


async def test_a_key_whose_secret_was_lost_is_named_so_that_it_can_be_revoked(
    double: PlatformDouble, client: AsyncClient
) -> None:
    replayed = factory_pb2.CreateApiKeyResponse(api_key=factory_pb2.ApiKey(key_id="k-1"))
    double.script = {"CreateApiKey": [BROKEN, replayed]}
    with pytest.raises(errors.ApiKeySecretLost, match="revoke") as raised:
        await client.api_keys.create(name="line 1", scopes=["batches:read"])
    assert raised.value.api_key.id == "k-1"


async def test_an_update_names_the_fields_that_are_given(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"UpdateProduct": [PRODUCT]}
    await client.products.update("p-1", name="Borealis", markets=[])
    [seen] = double.seen
    assert list(seen.request.update_mask.paths) == ["name", "markets"]
    assert seen.request.product == factory_pb2.ProductChange(name="Borealis")
    with pytest.raises(ValueError, match="at least one field"):
        await client.products.update("p-1")


async def test_a_state_is_sent_by_its_number(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"SetUnitState": [factory_pb2.Unit(state=factory_pb2.UNIT_STATE_RECALLED)]}
    assert (await client.units.set_state(7, UnitState.RECALLED)).state is UnitState.RECALLED
    assert double.seen[0].request.state == factory_pb2.UNIT_STATE_RECALLED


async def test_a_blocking_client_does_the_same(double: PlatformDouble) -> None:
    double.script = {"CreateProduct": [DOWN, PRODUCT], "GetProduct": [Refusal(grpc.StatusCode.NOT_FOUND)]}

    def work() -> None:
        with Client(double.url, api_key="k", retry=RetryPolicy(initial_seconds=0.01, max_seconds=0.01)) as voketag:
            assert voketag.products.create(sku="A-1", name="Aurora").id == "p-1"
            with pytest.raises(errors.NotFound):
                voketag.products.get("p-1")
        voketag.close()
        with pytest.raises(RuntimeError, match="closed"):
            voketag.products.get("p-1")

    await asyncio.to_thread(work)
    assert len(double.seen) == 3


async def test_closing_a_blocking_client_ends_the_calls_of_other_threads(double: PlatformDouble) -> None:
    begun = asyncio.Event()

    async def never(_: Any) -> factory_pb2.Product:
        begun.set()
        await asyncio.sleep(30)
        return PRODUCT

    double.script = {"GetProduct": [never]}
    voketag = await asyncio.to_thread(Client, double.url)
    waiting = asyncio.create_task(asyncio.to_thread(voketag.products.get, "p-1"))
    await begun.wait()
    await asyncio.to_thread(voketag.close)
    with pytest.raises(RuntimeError, match="closed in the middle"):
        await waiting


async def test_a_client_that_is_forgotten_says_nothing_at_exit(double: PlatformDouble) -> None:
    double.script = {"GetProduct": [PRODUCT], "ListProducts": [factory_pb2.ListProductsResponse(products=[PRODUCT])]}
    program = """
import sys, voketag_sdk
voketag = voketag_sdk.Client(sys.argv[1])
voketag.products.get("p-1")
listing = iter(voketag.products.list())
print(next(listing).sku)
"""
    command = [sys.executable, "-X", "dev", "-c", program, double.url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = await process.communicate()
    assert (process.returncode, output.decode()) == (0, "A-1\n")


@pytest.mark.parametrize("around", ["{}\n", " {}\r\n", "{}\xa0", "\t{}"])
async def test_a_key_comes_without_what_a_file_or_a_page_has_around_it(double: PlatformDouble, around: str) -> None:
    double.script = {"GetProduct": [PRODUCT]}
    async with AsyncClient(double.url, api_key=around.format("vkt_key_secret")) as client:
        await client.products.get("p-1")
    assert double.seen[0].metadata["authorization"] == "Bearer vkt_key_secret"


@pytest.mark.parametrize("key", ["vkt_key\u200b_secret", "vkt_key\nsecret", "Bearer vkt_key_secret", "vkt_chavé"])
def test_a_key_that_no_header_can_carry_is_refused_at_once_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="copy it again") as refused:
        Client("http://127.0.0.1:9", api_key=key)
    assert "vkt" not in str(refused.value)


async def test_what_goes_wrong_with_the_callers_own_file_is_told_as_it_is(
    double: PlatformDouble, client: AsyncClient
) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the disk is gone")

    async def read_it(requests: Any) -> factory_pb2.Batch:
        return factory_pb2.Batch(quantity=len([request async for request in requests]))

    double.script = {"ImportUnits": [read_it]}
    with pytest.raises(OSError, match="the disk is gone"):
        await client.batches.import_csv("p-1", Broken(b"serial\nA\n"))
    with pytest.raises(TypeError):
        await client.batches.import_csv("p-1", StringIO("serial\nA\n"))  # type: ignore[arg-type]


async def test_one_serial_is_not_taken_for_the_serials_of_its_letters(
    double: PlatformDouble, client: AsyncClient
) -> None:
    with pytest.raises(TypeError, match="list of serials"):
        await client.units.set_states(UnitState.BLOCKED, serials="A-1")
    assert double.seen == []
