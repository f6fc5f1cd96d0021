"""Checks are public, so they are limited, kept for a moment, and honest about a chain that is away."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import pytest

from deploy.local.anvil import Anvil
from services.anchor.app import open_app
from services.anchor.settings import Settings
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import TokenKeys
from tests.storage.anchor_chain.development import mine
from voketag.anchor.v1 import anchor_pb2, anchor_pb2_grpc

NOBODYS = anchor_pb2.VerifyBatchRequest(batch_id=str(uuid4()))
STATUS = anchor_pb2.GetChainStatusRequest()


class FromAddress:
    """Calls as the edge passes them on, with the caller's address."""

    def __init__(self, stub: Any, address: str) -> None:
        self._stub = stub
        self._metadata = (("x-client-address", address),)

    def __getattr__(self, method: str) -> Callable[[Any], Any]:
        return lambda request: getattr(self._stub, method)(request, metadata=self._metadata, timeout=10)


@asynccontextmanager
async def served(settings: Settings, **changed: Any) -> AsyncIterator[Any]:
    """A server with some settings changed."""
    async with (
        open_app(settings.model_copy(update=changed)) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield anchor_pb2_grpc.AnchorServiceStub(channel)


async def test_an_address_that_checks_too_often_is_told_when_to_come_back(anchor_settings: Settings) -> None:
    async with served(anchor_settings, verify_per_minute=3) as stub:
        here, there = FromAddress(stub, "198.51.100.7"), FromAddress(stub, "2001:db8::7")
        for _ in range(3):
            assert (await refusal(here.VerifyBatch(NOBODYS))).reason == "ANCHOR_NOT_FOUND"
        for method, request in (
            ("VerifyBatch", NOBODYS),
            ("VerifyProof", anchor_pb2.VerifyProofRequest(batch_id=NOBODYS.batch_id, leaf_hash="01" * 32)),
            ("VerifyTransaction", anchor_pb2.VerifyTransactionRequest(tx_id="0x" + "01" * 32)),
            ("GetChainStatus", STATUS),
        ):
            refused = await refusal(getattr(here, method)(request))
            assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
            assert refused.retry_after_seconds is not None
            assert 0 < refused.retry_after_seconds <= 20
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await here.VerifyBatch(NOBODYS)
        headers = dict(told.value.trailing_metadata() or ())
        assert 1 <= int(headers["retry-after"]) <= 20
        assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("3", "0")
        assert (await refusal(there.VerifyBatch(NOBODYS))).reason == "ANCHOR_NOT_FOUND"
        get = anchor_pb2.GetAnchorRequest(batch_id=NOBODYS.batch_id)
        assert (await refusal(here.GetAnchor(get))).reason == "ANCHOR_NOT_FOUND", "what asks no chain has no limit"


async def test_an_answer_serves_for_a_moment_and_says_which_block_it_is_of(
    anchor_settings: Settings, anvil: Anvil, token_keys: TokenKeys
) -> None:
    async with served(anchor_settings, verify_keep_seconds=60) as stub:
        tx_id = anvil.call("eth_getBlockByNumber", "latest", False)["transactions"][0]
        request = anchor_pb2.VerifyTransactionRequest(tx_id=tx_id)
        first = await stub.VerifyTransaction(request)
        mine(anvil)
        assert await stub.VerifyTransaction(request) == first
    async with served(anchor_settings, verify_keep_seconds=0) as stub:
        later = await stub.VerifyTransaction(request)
        assert later.checked_block == first.checked_block + 1
        assert later.confirmations == first.confirmations + 1


async def test_a_chain_that_is_away_is_no_answer(anchor_settings: Settings) -> None:
    request = anchor_pb2.VerifyTransactionRequest(tx_id="0x" + "01" * 32)
    async with served(anchor_settings, chain_rpc_url="http://127.0.0.1:1") as stub:
        refused = await refusal(stub.VerifyTransaction(request))
        assert (refused.code, refused.reason) == ("UNAVAILABLE", "CHAIN_UNAVAILABLE")


async def test_the_status_of_a_chain_that_is_away_says_so_and_what_the_books_say(
    anchor: Client, anchor_settings: Settings
) -> None:
    await anchor.SubmitAnchor(anchor_pb2.SubmitAnchorRequest(batch_id=str(uuid4()), merkle_root="01" * 32, tree_size=1))
    async with served(anchor_settings, chain_rpc_url="http://127.0.0.1:1") as stub:
        status = await stub.GetChainStatus(STATUS)
    assert (status.reachable, status.head_block, status.balance_wei, status.pending) == (False, 0, "", 1)


async def test_a_batch_that_is_anchored_cannot_be_checked_while_the_chain_is_away(
    anchor: Client, anchor_settings: Settings
) -> None:
    submitted = await anchor.SubmitAnchor(
        anchor_pb2.SubmitAnchorRequest(batch_id=str(uuid4()), merkle_root="01" * 32, tree_size=1)
    )
    async with served(anchor_settings, chain_rpc_url="http://127.0.0.1:1") as stub:
        check = await stub.VerifyBatch(anchor_pb2.VerifyBatchRequest(batch_id=submitted.batch_id))
        assert check.failure == anchor_pb2.VERIFICATION_FAILURE_NOT_ANCHORED_YET, "no transaction: nothing to ask"
