"""Several chains over the wire, with the worker running: a real one and the dry one, from one file of settings."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from deploy.local.anvil import CHAIN_ID, Anvil
from services.anchor.app import open_app
from services.anchor.settings import Settings, WorkerSettings
from tests.rpc.anchor.conftest import running
from tests.rpc.anchor.patience import eventually
from tests.rpc.anchor.recording_factory import RecordingFactory
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import TokenKeys
from tests.storage.anchor_chain.development import mine
from voketag.anchor.v1 import anchor_pb2, anchor_pb2_grpc
from voketag_kernel.rfc6962 import leaf_hash, node_hash

CONFIRMED = anchor_pb2.ANCHOR_STATE_CONFIRMED


@dataclass(frozen=True)
class Service:
    """A server that knows two chains, its worker, and what belongs to them."""

    client: Client
    anvil: Anvil
    factory: RecordingFactory

    async def submit(self, *chains: str, root: bytes = b"\x01" * 32, size: int = 1) -> anchor_pb2.Anchor:
        """Submit a batch's root to chains."""
        request = anchor_pb2.SubmitAnchorRequest(
            batch_id=str(uuid4()), merkle_root=root.hex(), tree_size=size, chains=chains
        )
        answer: anchor_pb2.Anchor = await self.client.SubmitAnchor(request)
        return answer

    async def settled(self, batch_id: str) -> anchor_pb2.Anchor:
        """A batch's anchor, once all of its chains are done."""

        async def done() -> bool:
            mine(self.anvil)
            found = await self.client.GetAnchor(anchor_pb2.GetAnchorRequest(batch_id=batch_id))
            return all(one.state == CONFIRMED for one in found.chains)

        await eventually(done, seconds=30)
        answer: anchor_pb2.Anchor = await self.client.GetAnchor(anchor_pb2.GetAnchorRequest(batch_id=batch_id))
        return answer

    async def verify(self, batch_id: str, chain: str = "") -> anchor_pb2.VerifyBatchResponse:
        """Ask a chain about a batch."""
        request = anchor_pb2.VerifyBatchRequest(batch_id=batch_id, chain=chain)
        answer: anchor_pb2.VerifyBatchResponse = await self.client.VerifyBatch(request)
        return answer


@pytest.fixture
async def service(
    anchor_settings: Settings,
    worker_settings: WorkerSettings,
    anvil: Anvil,
    recording_factory: RecordingFactory,
    token_keys: TokenKeys,
) -> AsyncIterator[Service]:
    file = Path(worker_settings.service_key).parent.parent / "chains.json"
    file.write_text(json.dumps({"dry": {}}))
    told = {"more_chains": file}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_app(anchor_settings.model_copy(update=told)))
        await stack.enter_async_context(running(worker_settings.model_copy(update=told)))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"))
        client = Client(anchor_pb2_grpc.AnchorServiceStub(channel), token_keys.service("factory", audience="anchor"))
        yield Service(client, anvil, recording_factory)


async def test_a_batch_on_two_chains_has_a_state_on_each_and_is_checked_on_each(service: Service) -> None:
    submitted = await service.submit("main", "dry")
    assert [(one.chain, one.anchor_id != "") for one in submitted.chains] == [("main", True), ("dry", True)]
    found = await service.settled(submitted.batch_id)
    assert (found.chain, found.inclusion.chain_id) == ("main", CHAIN_ID)
    dry = found.chains[1].inclusion
    assert (dry.chain_id, dry.contract, dry.tx_hash, dry.block_number) == (0, "", "dry", 0)
    assert (await service.verify(submitted.batch_id)).valid
    assert (await service.verify(submitted.batch_id, "main")).valid
    check = await service.verify(submitted.batch_id, "dry")
    assert not check.valid
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_DRY_RUN
    await eventually(lambda: len(service.factory.heard) == 1)
    assert service.factory.heard[0].confirmed.chain_id == CHAIN_ID


async def test_a_batch_of_the_dry_chain_is_reported_as_dry_and_never_valid(service: Service) -> None:
    submitted = await service.submit("dry")
    found = await service.settled(submitted.batch_id)
    assert found.chain == "dry"
    check = await service.verify(submitted.batch_id)
    assert (check.valid, check.failure) == (False, anchor_pb2.VERIFICATION_FAILURE_DRY_RUN)
    await eventually(lambda: bool(service.factory.heard))
    (outcome,) = service.factory.heard
    assert (outcome.confirmed.tx_hash, outcome.confirmed.chain_id) == ("dry", 0)


async def test_a_root_that_asks_for_no_chain_goes_to_the_first_one_alone(service: Service) -> None:
    submitted = await service.submit()
    assert [one.chain for one in submitted.chains] == ["main"]
    refused = await refusal(service.verify(submitted.batch_id, "dry"))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "ANCHOR_NOT_FOUND")


async def test_a_proof_is_checked_on_the_chain_that_was_asked_for(service: Service) -> None:
    leaves = [leaf_hash(b"one"), leaf_hash(b"two")]
    submitted = await service.submit("dry", "main", root=node_hash(*leaves), size=2)
    await service.settled(submitted.batch_id)

    async def verify(chain: str, leaf: bytes = leaves[0]) -> anchor_pb2.VerifyProofResponse:
        request = anchor_pb2.VerifyProofRequest(
            batch_id=submitted.batch_id, leaf_hash=leaf.hex(), inclusion_path=[leaves[1].hex()], chain=chain
        )
        answer: anchor_pb2.VerifyProofResponse = await service.client.VerifyProof(request)
        return answer

    on_main = await verify("main")
    assert (on_main.valid, on_main.batch.anchor.inclusion.chain_id) == (True, CHAIN_ID)
    assert on_main.batch.confirmations >= on_main.batch.confirmations_required == 2
    for chain in ("", "dry"):
        rehearsed = await verify(chain)
        assert (rehearsed.valid, rehearsed.included) == (False, True)
        assert rehearsed.failure == anchor_pb2.VERIFICATION_FAILURE_DRY_RUN
    assert (await verify("main", leaves[1])).failure == anchor_pb2.VERIFICATION_FAILURE_PROOF_MISMATCH
    elsewhere = await refusal(verify("polygon"))
    assert (elsewhere.code, elsewhere.reason) == ("NOT_FOUND", "ANCHOR_NOT_FOUND")
    assert (await refusal(verify("No chain"))).reason == "INVALID_ARGUMENT"


async def test_an_unknown_chain_is_refused_by_name(service: Service) -> None:
    refused = await refusal(service.submit("main", "polygon"))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
    status = service.client.GetChainStatus(anchor_pb2.GetChainStatusRequest(chain="polygon"))
    assert (await refusal(status)).code == "INVALID_ARGUMENT"


async def test_the_status_is_of_the_chain_that_was_asked_for(service: Service) -> None:
    status = await service.client.GetChainStatus(anchor_pb2.GetChainStatusRequest(chain="main"))
    assert (status.chain, status.chain_id) == ("main", CHAIN_ID)
