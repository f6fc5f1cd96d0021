"""From SubmitAnchor to Factory's knowledge of it, with the worker running."""

import asyncio
import time
from uuid import uuid4

import pytest

from deploy.local.anvil import CHAIN_ID, Anvil
from services.anchor.chain import EvmChain
from services.anchor.signer import FileSigner
from tests.rpc.anchor.conftest import Worker
from tests.rpc.anchor.patience import eventually
from tests.rpc.anchor.recording_factory import RecordingFactory
from tests.rpc.calls import Client, refusal
from tests.storage.anchor.test_misbehaving_chain import set_writer
from tests.storage.anchor_chain.development import GWEI, hold_blocks, mine, mined
from voketag.anchor.v1 import anchor_pb2

ROOT, OTHER_ROOT = "01" * 32, "02" * 32


async def submit(client: Client, root: str = ROOT, size: int = 7, batch_id: str = "") -> anchor_pb2.Anchor:
    request = anchor_pb2.SubmitAnchorRequest(batch_id=batch_id or str(uuid4()), merkle_root=root, tree_size=size)
    answer: anchor_pb2.Anchor = await client.SubmitAnchor(request)
    return answer


async def get(client: Client, batch_id: str) -> anchor_pb2.Anchor:
    answer: anchor_pb2.Anchor = await client.GetAnchor(anchor_pb2.GetAnchorRequest(batch_id=batch_id))
    return answer


async def test_a_submitted_root_is_confirmed_and_reported_once_deep_enough(
    anchor: Client, worker: Worker, anvil: Anvil, recording_factory: RecordingFactory
) -> None:
    submitted = await submit(anchor)
    assert submitted.state == anchor_pb2.ANCHOR_STATE_PENDING
    assert not submitted.HasField("inclusion")

    async def in_a_block() -> bool:
        return (await get(anchor, submitted.batch_id)).inclusion.block_number > 0

    async with worker():
        await eventually(in_a_block)
        found = await get(anchor, submitted.batch_id)
        assert found.state == anchor_pb2.ANCHOR_STATE_SUBMITTED
        assert recording_factory.heard == []
        mine(anvil)
        await eventually(lambda: bool(recording_factory.heard))
    found = await get(anchor, submitted.batch_id)
    assert found.state == anchor_pb2.ANCHOR_STATE_CONFIRMED
    assert found.HasField("confirmed_at")
    assert int(found.inclusion.cost_wei) > 0
    assert (found.inclusion.leaf_index, found.inclusion.tree_size, list(found.inclusion.inclusion_path)) == (0, 1, [])
    (outcome,) = recording_factory.heard
    assert (outcome.batch_id, outcome.merkle_root) == (submitted.batch_id, ROOT)
    assert outcome.confirmed.chain_id == CHAIN_ID
    assert outcome.confirmed.tx_hash == found.inclusion.tx_hash
    assert outcome.confirmed.block_number == found.inclusion.block_number


async def test_a_batch_has_one_root_for_ever(anchor: Client) -> None:
    submitted = await submit(anchor)
    assert await submit(anchor, batch_id=submitted.batch_id) == submitted
    for root, size in ((OTHER_ROOT, 7), (ROOT, 8)):
        refused = await refusal(submit(anchor, root, size, submitted.batch_id))
        assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "ROOT_CONFLICT")


async def test_a_waiting_root_is_hurried_by_an_urgent_submission(anchor: Client) -> None:
    request = anchor_pb2.SubmitAnchorRequest(
        batch_id=str(uuid4()), merkle_root=ROOT, tree_size=7, tenant_id=str(uuid4())
    )
    assert not (await anchor.SubmitAnchor(request)).urgent
    request.urgent = True
    assert (await anchor.SubmitAnchor(request)).urgent
    assert (await get(anchor, request.batch_id)).urgent


async def test_submissions_that_come_together_are_told_apart(anchor: Client, operator: Client) -> None:
    batches = [str(uuid4()) for _ in range(40)]
    twice = [submit(anchor, batch_id=batch_id) for batch_id in batches for _ in range(2)]
    conflicting = [refusal(submit(anchor, OTHER_ROOT, batch_id=batch_id)) for batch_id in batches[:5]]
    first = await asyncio.gather(*twice)
    refused = await asyncio.gather(*conflicting)
    assert [each.reason for each in refused] == ["ROOT_CONFLICT"] * 5
    assert [each.batch_id for each in first] == [batch_id for batch_id in batches for _ in range(2)]
    assert all(one == other for one, other in zip(first[::2], first[1::2], strict=True))
    page = await operator.ListAnchors(anchor_pb2.ListAnchorsRequest(page_size=100))
    assert sorted(found.batch_id for found in page.anchors) == sorted(batches)


async def test_an_unknown_batch_has_no_anchor(anybody: Client) -> None:
    refused = await refusal(get(anybody, str(uuid4())))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "ANCHOR_NOT_FOUND")


async def test_a_waiting_anchor_can_be_tried_now_and_a_confirmed_one_cannot(
    anchor: Client, worker: Worker, anvil: Anvil, recording_factory: RecordingFactory
) -> None:
    submitted = await submit(anchor)
    retry = anchor_pb2.RetryAnchorRequest(anchor_id=submitted.anchor_id)
    assert await anchor.RetryAnchor(retry) == submitted
    async with worker():
        await eventually(lambda: mine(anvil) or bool(recording_factory.heard))
    refused = await refusal(anchor.RetryAnchor(retry))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "ANCHOR_STATE")
    assert refused.metadata == {"state": "CONFIRMED"}


async def test_a_refused_transaction_is_seen_in_the_anchor_and_the_chain_s_status_and_retried(
    *,
    anchor: Client,
    anybody: Client,
    worker: Worker,
    anvil: Anvil,
    chain: EvmChain,
    owner: FileSigner,
    recording_factory: RecordingFactory,
) -> None:
    hold_blocks(anvil)
    submitted = await submit(anchor)

    async def is_in(state: anchor_pb2.AnchorState) -> bool:
        return (await get(anchor, submitted.batch_id)).state == state

    async with worker():
        await eventually(lambda: int(anvil.call("txpool_status")["pending"], 16) > 0)
        await set_writer(chain, owner, allowed=False, tip_wei=50 * GWEI)
        for _ in range(2):
            mine(anvil)
        await eventually(lambda: is_in(anchor_pb2.ANCHOR_STATE_PENDING))
        anvil.call("evm_setAutomine", True)
        await mined(chain, await set_writer(chain, owner, allowed=True))

        async def says_why() -> bool:
            return "not a writer; the next try is at" in (await get(anchor, submitted.batch_id)).error

        await eventually(says_why)
        status = await anybody.GetChainStatus(anchor_pb2.GetChainStatusRequest())
        assert (status.pending, status.failed, status.refused_in_a_row) == (1, 0, 1)
        assert "refused by the contract: not a writer" in status.waits_for
        assert status.last_error == status.waits_for
        assert 0 < status.held_until.seconds - time.time() <= 15
        assert recording_factory.heard == []
        await anchor.RetryAnchor(anchor_pb2.RetryAnchorRequest(anchor_id=submitted.anchor_id))
        await eventually(lambda: mine(anvil) or bool(recording_factory.heard), seconds=10)
    (outcome,) = recording_factory.heard
    assert outcome.HasField("confirmed")


async def test_pages_of_anchors_hold_together(anchor: Client, operator: Client) -> None:
    submitted = [(await submit(anchor)).anchor_id for _ in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = await operator.ListAnchors(anchor_pb2.ListAnchorsRequest(page_size=2, page_token=token))
        seen += [found.anchor_id for found in page.anchors]
        token = page.next_page_token
        if not token:
            break
    assert seen == submitted[::-1]


@pytest.mark.parametrize("token", ["x", "WyJ4Il0", "WzFd"])
async def test_a_made_up_page_token_is_refused(operator: Client, token: str) -> None:
    refused = await refusal(operator.ListAnchors(anchor_pb2.ListAnchorsRequest(page_token=token)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_id", "7"),
        ("merkle_root", "AB" * 32),
        ("merkle_root", ""),
        ("tree_size", 0),
        ("tree_size", -1),
        ("tenant_id", "7"),
    ],
)
async def test_a_malformed_submission_names_the_field(anchor: Client, field: str, value: object) -> None:
    request = anchor_pb2.SubmitAnchorRequest(batch_id=str(uuid4()), merkle_root=ROOT, tree_size=1)
    setattr(request, field, value)
    refused = await refusal(anchor.SubmitAnchor(request))
    assert (refused.code, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT", [field])
