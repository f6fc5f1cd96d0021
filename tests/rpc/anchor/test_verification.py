"""Checks read the chain: each way to fail has its own answer, and a chain that is away is no answer."""

from uuid import uuid4

import asyncpg
import pytest

from deploy.local.anvil import CHAIN_ID, Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_types import Fees, SizedRoot
from services.anchor.contract.deploy import Deployment, deploy
from services.anchor.node import EvmNode, open_rpc
from services.anchor.settings import Settings
from services.anchor.signer import FileSigner
from services.anchor.transactions import sign
from tests.conftest import DatabaseUrl
from tests.rpc.anchor.conftest import Worker
from tests.rpc.anchor.patience import eventually
from tests.rpc.calls import Client, refusal
from tests.storage.anchor_chain.development import CEILING_WEI, GWEI, OWNER, STRANGER, WRITER, mine, mined, write_key
from voketag.anchor.v1 import anchor_pb2
from voketag_kernel.rfc6962 import inclusion_path, leaf_hash, root

LEAVES = [leaf_hash(bytes([index])) for index in range(5)]
ROOT = root(LEAVES)


async def submit(client: Client, merkle_root: bytes = ROOT, size: int = 5) -> anchor_pb2.Anchor:
    answer: anchor_pb2.Anchor = await client.SubmitAnchor(
        anchor_pb2.SubmitAnchorRequest(batch_id=str(uuid4()), merkle_root=merkle_root.hex(), tree_size=size)
    )
    return answer


async def verify(client: Client, batch_id: str) -> anchor_pb2.VerifyBatchResponse:
    answer: anchor_pb2.VerifyBatchResponse = await client.VerifyBatch(anchor_pb2.VerifyBatchRequest(batch_id=batch_id))
    return answer


async def verify_transaction(client: Client, tx_id: str) -> anchor_pb2.VerifyTransactionResponse:
    answer: anchor_pb2.VerifyTransactionResponse = await client.VerifyTransaction(
        anchor_pb2.VerifyTransactionRequest(tx_id=tx_id)
    )
    return answer


@pytest.fixture
async def confirmed(anchor: Client, worker: Worker, anvil: Anvil) -> anchor_pb2.Anchor:
    """An anchor whose transaction is deep enough."""
    submitted = await submit(anchor)
    found = submitted

    async def is_(state: int) -> bool:
        nonlocal found
        found = await anchor.GetAnchor(anchor_pb2.GetAnchorRequest(batch_id=submitted.batch_id))
        return bool(found.state == state and found.inclusion.block_number > 0)

    async with worker():
        await eventually(lambda: is_(anchor_pb2.ANCHOR_STATE_SUBMITTED))
        mine(anvil)
        await eventually(lambda: is_(anchor_pb2.ANCHOR_STATE_CONFIRMED))
    return found


async def test_a_confirmed_batch_is_valid_by_the_chains_own_word(
    anybody: Client, confirmed: anchor_pb2.Anchor, chain: EvmChain
) -> None:
    check = await verify(anybody, confirmed.batch_id)
    assert check.valid
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_UNSPECIFIED
    assert check.anchor == confirmed
    assert check.anchored_at.seconds == await chain.anchored_at(bytes.fromhex(confirmed.inclusion.root))
    assert (check.confirmations, check.checked_block) == (2, confirmed.inclusion.block_number + 1)
    assert (check.block_number, check.confirmations_required) == (confirmed.inclusion.block_number, 2)
    assert [(step.subject, step.holds) for step in check.steps] == [
        (anchor_pb2.VERIFICATION_SUBJECT_CONTRACT, True),
        (anchor_pb2.VERIFICATION_SUBJECT_INCLUSION, True),
        (anchor_pb2.VERIFICATION_SUBJECT_TRANSACTION, True),
        (anchor_pb2.VERIFICATION_SUBJECT_EVENT, True),
        (anchor_pb2.VERIFICATION_SUBJECT_ROOT, True),
        (anchor_pb2.VERIFICATION_SUBJECT_DEPTH, True),
    ]
    assert check.HasField("checked_at")


async def test_a_pending_batch_is_not_anchored_yet(anchor: Client, anybody: Client) -> None:
    check = await verify(anybody, (await submit(anchor)).batch_id)
    assert not check.valid
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_NOT_ANCHORED_YET


async def test_a_reorganised_batch_has_too_few_confirmations_and_then_no_root(
    anybody: Client, confirmed: anchor_pb2.Anchor, anvil: Anvil
) -> None:
    anvil.call("anvil_reorg", 1, [])  # the block on top goes and another comes: still deep enough
    assert (await verify(anybody, confirmed.batch_id)).valid
    anvil.call("anvil_rollback", 1)
    check = await verify(anybody, confirmed.batch_id)
    assert (check.valid, check.confirmations) == (False, 1)
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_TOO_FEW_CONFIRMATIONS
    anvil.call("anvil_rollback", 1)
    check = await verify(anybody, confirmed.batch_id)
    assert (check.valid, check.confirmations) == (False, 0)
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_ROOT_NOT_ON_CHAIN
    assert check.anchor.state == anchor_pb2.ANCHOR_STATE_CONFIRMED, "the database is not asked for the truth"


async def test_a_database_that_names_a_foreign_transaction_is_caught(
    anybody: Client, confirmed: anchor_pb2.Anchor, deployment: Deployment, database_url: DatabaseUrl
) -> None:
    await _rename_transaction(database_url, confirmed.inclusion.tx_hash, deployment.tx_hash)
    check = await verify(anybody, confirmed.batch_id)
    assert not check.valid
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_WRONG_CONTRACT


@pytest.mark.parametrize("column", ["merkle_root", "inclusion_path"])
async def test_a_database_whose_root_was_changed_is_caught(
    anybody: Client, confirmed: anchor_pb2.Anchor, database_url: DatabaseUrl, column: str
) -> None:
    await _execute(database_url, f"UPDATE anchor.anchors SET {column} = $1", b"\x07" * 32)  # noqa: S608 - ours
    check = await verify(anybody, confirmed.batch_id)
    assert not check.valid
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_PROOF_MISMATCH


async def test_a_transaction_that_anchored_another_root_does_not_stand_in_for_the_batchs(
    anybody: Client, confirmed: anchor_pb2.Anchor, chain: EvmChain, anvil: Anvil, database_url: DatabaseUrl
) -> None:
    other = await _anchored(chain, anvil, SizedRoot(b"\x33" * 32, 1))
    await _rename_transaction(database_url, confirmed.inclusion.tx_hash, other)
    check = await verify(anybody, confirmed.batch_id)
    assert (check.valid, check.failure) == (False, anchor_pb2.VERIFICATION_FAILURE_WRONG_ROOT)
    (event,) = [step for step in check.steps if step.subject == anchor_pb2.VERIFICATION_SUBJECT_EVENT]
    assert not event.holds
    assert "33" * 32 in event.detail


async def test_a_transaction_that_the_chain_does_not_know_is_told_from_a_root_that_it_does_not_hold(
    anybody: Client, confirmed: anchor_pb2.Anchor, database_url: DatabaseUrl
) -> None:
    await _rename_transaction(database_url, confirmed.inclusion.tx_hash, "0x" + "44" * 32)
    check = await verify(anybody, confirmed.batch_id)
    assert (check.valid, check.failure) == (False, anchor_pb2.VERIFICATION_FAILURE_UNKNOWN_TRANSACTION)
    assert (check.confirmations, check.block_number) == (0, 0)
    assert check.checked_block > 0


async def test_a_batch_of_another_contract_is_not_of_this_one(
    anybody: Client, confirmed: anchor_pb2.Anchor, database_url: DatabaseUrl
) -> None:
    await _execute(database_url, "UPDATE anchor.anchor_trees SET contract = $1", STRANGER.address)
    assert (await verify(anybody, confirmed.batch_id)).failure == anchor_pb2.VERIFICATION_FAILURE_WRONG_CONTRACT


async def test_a_units_proof_is_checked_down_to_the_chain(anybody: Client, confirmed: anchor_pb2.Anchor) -> None:
    check = await anybody.VerifyProof(
        anchor_pb2.VerifyProofRequest(
            batch_id=confirmed.batch_id,
            leaf_hash=LEAVES[3].hex(),
            leaf_index=3,
            inclusion_path=[node.hex() for node in inclusion_path(3, LEAVES)],
        )
    )
    assert (check.valid, check.included, check.batch.valid) == (True, True, True)


async def test_a_good_proof_of_a_batch_that_is_not_anchored_is_included_and_not_valid(
    anchor: Client, anybody: Client
) -> None:
    submitted = await submit(anchor)
    check = await anybody.VerifyProof(
        anchor_pb2.VerifyProofRequest(
            batch_id=submitted.batch_id,
            leaf_hash=LEAVES[0].hex(),
            leaf_index=0,
            inclusion_path=[node.hex() for node in inclusion_path(0, LEAVES)],
        )
    )
    assert (check.valid, check.included) == (False, True)
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_NOT_ANCHORED_YET


@pytest.mark.parametrize(
    ("leaf", "index", "path"),
    [
        (LEAVES[2], 3, inclusion_path(3, LEAVES)),
        (LEAVES[3], 2, inclusion_path(3, LEAVES)),
        (LEAVES[4], 4, [ROOT]),
        (LEAVES[3], 3, inclusion_path(3, LEAVES)[::-1]),
    ],
)
async def test_a_proof_that_leads_elsewhere_is_a_mismatch(
    anchor: Client, anybody: Client, leaf: bytes, index: int, path: list[bytes]
) -> None:
    submitted = await submit(anchor)
    check = await anybody.VerifyProof(
        anchor_pb2.VerifyProofRequest(
            batch_id=submitted.batch_id,
            leaf_hash=leaf.hex(),
            leaf_index=index,
            inclusion_path=[node.hex() for node in path],
        )
    )
    assert (check.valid, check.included) == (False, False)
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_PROOF_MISMATCH


@pytest.mark.parametrize(
    ("index", "path", "field"),
    [
        (3, inclusion_path(3, LEAVES)[:-1], "inclusion_path"),
        (3, [*inclusion_path(3, LEAVES), ROOT], "inclusion_path"),
        (0, [], "inclusion_path"),
        (5, inclusion_path(3, LEAVES), "leaf_index"),
        (2**62, inclusion_path(3, LEAVES), "leaf_index"),
    ],
)
async def test_a_proof_that_no_leaf_of_the_batch_can_have_is_malformed(
    anchor: Client, anybody: Client, index: int, path: list[bytes], field: str
) -> None:
    submitted = await submit(anchor)
    request = anchor_pb2.VerifyProofRequest(
        batch_id=submitted.batch_id,
        leaf_hash=LEAVES[3].hex(),
        leaf_index=index,
        inclusion_path=[node.hex() for node in path],
    )
    refused = await refusal(anybody.VerifyProof(request))
    assert (refused.code, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "MALFORMED_PROOF", [field])


async def test_an_anchoring_transaction_shows_its_roots(anybody: Client, confirmed: anchor_pb2.Anchor) -> None:
    for tx_id in (confirmed.inclusion.tx_hash, "0x" + confirmed.inclusion.tx_hash[2:].upper()):
        check = await verify_transaction(anybody, tx_id)
        assert check.valid
        assert list(check.roots) == [confirmed.inclusion.root]
        assert (check.block_number, check.confirmations) == (confirmed.inclusion.block_number, 2)


async def test_a_transaction_that_is_not_deep_enough_is_not_valid_yet(
    anybody: Client, confirmed: anchor_pb2.Anchor, anvil: Anvil
) -> None:
    anvil.call("anvil_rollback", 1)
    check = await verify_transaction(anybody, confirmed.inclusion.tx_hash)
    assert (check.valid, check.confirmations, list(check.roots)) == (False, 1, [confirmed.inclusion.root])
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_TOO_FEW_CONFIRMATIONS
    assert (check.checked_block, check.confirmations_required) == (confirmed.inclusion.block_number, 2)


async def test_a_root_of_the_contract_that_is_none_of_ours_is_not_valid(
    anybody: Client, chain: EvmChain, anvil: Anvil
) -> None:
    check = await verify_transaction(anybody, await _anchored(chain, anvil, SizedRoot(ROOT, 5)))
    assert (check.valid, list(check.roots)) == (False, [ROOT.hex()])
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_WRONG_ROOT
    assert (check.chain_id, check.contract) == (CHAIN_ID, chain.contract_address)


async def test_a_transaction_in_the_pool_is_not_anchored_yet(anybody: Client, chain: EvmChain, anvil: Anvil) -> None:
    anvil.call("evm_setAutomine", False)
    signed = await chain.sign_anchor([SizedRoot(ROOT, 5)], nonce=0, fees=await chain.suggest_fees())
    await chain.broadcast(signed.raw)
    check = await verify_transaction(anybody, signed.tx_hash)
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_NOT_ANCHORED_YET


async def test_a_failed_transaction_is_told_from_an_unknown_one(
    anybody: Client, chain: EvmChain, tmp_path_factory: pytest.TempPathFactory, anvil: Anvil
) -> None:
    stranger = FileSigner(write_key(tmp_path_factory.mktemp("stranger"), STRANGER))
    refused_call = await chain.sign_anchor([SizedRoot(ROOT, 5)], nonce=0, fees=Fees(50 * GWEI, GWEI), gas_limit=100_000)
    signed = await sign(
        stranger,
        chain_id=CHAIN_ID,
        to=chain.contract_address,
        data=b"\xde\xad\xbe\xef",
        nonce=0,
        gas_limit=100_000,
        fees=Fees(50 * GWEI, GWEI),
    )
    await chain.broadcast(signed.raw)
    await mined(chain, signed.tx_hash)
    assert (await verify_transaction(anybody, signed.tx_hash)).failure == (
        anchor_pb2.VERIFICATION_FAILURE_TRANSACTION_FAILED
    )
    unknown = await refusal(verify_transaction(anybody, refused_call.tx_hash))
    assert (unknown.code, unknown.reason) == ("NOT_FOUND", "TRANSACTION_NOT_FOUND")


async def test_the_same_event_of_another_contract_does_not_count(
    anybody: Client, anvil: Anvil, node: EvmNode, tmp_path_factory: pytest.TempPathFactory
) -> None:
    owner = FileSigner(write_key(tmp_path_factory.mktemp("copy"), OWNER))
    copy = await deploy(node=node, signer=owner)
    other = EvmChain(
        rpc=await open_rpc(anvil.url),
        chain_id=CHAIN_ID,
        fee_ceiling_wei=CEILING_WEI,
        contract_address=copy.contract_address,
        signer=owner,
    )
    try:
        signed = await other.sign_anchor(
            [SizedRoot(ROOT, 5)], nonce=await other.mined_nonce(), fees=await other.suggest_fees()
        )
        await other.broadcast(signed.raw)
        await mined(other, signed.tx_hash)
    finally:
        await other.aclose()
    mine(anvil)
    check = await verify_transaction(anybody, signed.tx_hash)
    assert (check.valid, list(check.roots)) == (False, [])
    assert check.failure == anchor_pb2.VERIFICATION_FAILURE_WRONG_CONTRACT


@pytest.mark.parametrize("tx_id", ["", "0x12", "12" * 32, "0x" + "g" * 64])
async def test_a_malformed_transaction_id_is_refused(anybody: Client, tx_id: str) -> None:
    refused = await refusal(verify_transaction(anybody, tx_id))
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["tx_id"])


async def test_the_chains_status_names_what_operators_need(
    anybody: Client, anchor: Client, confirmed: anchor_pb2.Anchor, anchor_settings: Settings, chain: EvmChain
) -> None:
    await submit(anchor)
    status = await anybody.GetChainStatus(anchor_pb2.GetChainStatusRequest())
    head = await chain.head()
    assert (status.chain_id, status.contract) == (CHAIN_ID, anchor_settings.contract_address)
    assert (status.head_block, status.head_time.seconds) == (head.number, head.timestamp)
    assert (status.confirmations_required, status.pending, status.submitted) == (2, 1, 0)
    assert (status.signer, status.balance_wei) == (WRITER.address, str(await chain.balance()))
    assert (status.reachable, status.nonce, status.failed) == (True, await chain.mined_nonce(), 0)
    assert status.base_fee_wei == str(head.base_fee_wei)
    assert status.cost_per_root_wei == confirmed.inclusion.cost_wei
    assert 0 <= status.oldest_pending_seconds < 60
    assert (status.waits_for, list(status.chains)) == ("", [status.chain])


async def _anchored(chain: EvmChain, anvil: Anvil, root: SizedRoot) -> str:
    """Anchor a root beside the worker, deep enough; return the transaction."""
    signed = await chain.sign_anchor([root], nonce=await chain.mined_nonce(), fees=await chain.suggest_fees())
    await chain.broadcast(signed.raw)
    await mined(chain, signed.tx_hash)
    mine(anvil)
    return signed.tx_hash


async def _rename_transaction(database_url: DatabaseUrl, stored: str, claimed: str) -> None:
    await _execute(database_url, "UPDATE anchor.transactions SET tx_hash = $1 WHERE tx_hash = $2", claimed, stored)
    await _execute(database_url, "UPDATE anchor.anchor_trees SET tx_hash = $1", claimed)


async def _execute(database_url: DatabaseUrl, statement: str, *arguments: object) -> None:
    connection = await asyncpg.connect(database_url())  # type: ignore[no-untyped-call]
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()
