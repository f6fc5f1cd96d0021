"""kill -9 in the middle of a batch, of every part that has a hand in it: the batch completes as if nothing had been.

Each part is killed twice, on one stack and one after the other: while units are written, and when the transaction
with the batch's root is signed and not yet confirmed. What is expected comes from the key's file, the batch's first
number and the kernel, never from what the platform says of itself.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.stack import LocalStack
from services.common import unit_keys
from tests.e2e.faults import crash, stays, wait_until
from voketag_kernel import rfc6962
from voketag_kernel.codes import MintedCode
from voketag_kernel.receipts import ANCHORED_TOPIC, facts_hash, unit_leaf_data
from voketag_sdk import Batch, BatchState, Client, verify_receipt

pytestmark = pytest.mark.slow

# One process that mints makes issuing slow enough to be met in its middle; the shorter lease is what a killed worker
# costs. Neither changes what is done.
STACK_SETTINGS = {"factory-worker": {"ISSUE_PROCESSES": "1", "LEASE_SECONDS": "5"}}
PARTS = ("factory-worker", "factory", "anchor", "anchor-worker", "postgres", "valkey", "anvil")
QUANTITY = 150_001
"""Five chunks, the last one odd."""
ISSUING_SECONDS = 30
COMPLETION_SECONDS = 60
OUTAGE_SECONDS = 10


@pytest.fixture(scope="module")
def voketag(breakable: LocalStack) -> Iterator[Client]:
    """A partner's client, by way of the edge."""
    with Client(breakable.credentials["edge_url"], api_key=breakable.credentials["partner_api_key"]) as client:
        yield client


@pytest.mark.parametrize("part", PARTS)
def test_a_batch_completes_whole_though_a_part_is_killed_twice(
    breakable: LocalStack, voketag: Client, part: str, tmp_path: Path
) -> None:
    roots_before = anchored_roots(breakable)
    product = voketag.products.create(sku=f"KILL-{uuid4().hex[:12]}", name="Aurora serum", gtin="04006381333931")
    hold_blocks(breakable)
    batch = voketag.batches.create(product.id, quantity=QUANTITY, lot="L1")

    wait_until("some units are written", lambda: is_half_issued(voketag.batches.get(batch.id)), seconds=ISSUING_SECONDS)
    crash(
        breakable,
        part,
        meanwhile=lambda: no_anchor_while_units_are_written(voketag, batch) if part == "anchor" else None,
    )

    hold_blocks(breakable)  # a node that was started again makes blocks
    wait_until("a transaction is signed", lambda: is_signed(breakable, batch), seconds=COMPLETION_SECONDS)
    crash(breakable, part, meanwhile=lambda: no_chain_for_a_while(voketag, batch) if part == "anvil" else None)
    make_blocks(breakable)

    batch = voketag.batches.wait(batch.id, timeout=COMPLETION_SECONDS)
    units = units_by_hand(breakable, batch)
    assert batch.issued_count == QUANTITY
    assert stored_units(breakable, batch) == (QUANTITY, units[0].unit_id, units[-1].unit_id)
    serials = check_export(voketag, batch, units, tmp_path / "units.csv")
    anchor_root = check_root_and_receipts(breakable, voketag, batch, units, serials)
    assert anchored_roots(breakable) == [*roots_before, anchor_root]


def hold_blocks(stack: LocalStack) -> None:
    """No block is made, so that a signed transaction cannot become final before it is met."""
    stack.anvil.call("evm_setIntervalMining", 0)


def make_blocks(stack: LocalStack) -> None:
    """A block a second, as the stack does."""
    stack.anvil.call("evm_setIntervalMining", 1)


def no_anchor_while_units_are_written(voketag: Client, batch: Batch) -> None:
    """Nobody takes the root when it is ready."""
    wait_until("every unit is written", lambda: is_anchoring(voketag, batch), seconds=ISSUING_SECONDS)


def no_chain_for_a_while(voketag: Client, batch: Batch) -> None:
    """The batch waits and does not fail."""
    stays("the batch waits for the chain", lambda: is_anchoring(voketag, batch), seconds=OUTAGE_SECONDS)


def is_anchoring(voketag: Client, batch: Batch) -> bool:
    """Every unit is written, and the root is on its way."""
    return voketag.batches.get(batch.id).state is BatchState.ANCHORING


def is_half_issued(batch: Batch) -> bool:
    """Units are being written, and some are missing."""
    assert batch.issued_count < batch.quantity, "issuing was over before it was met in its middle: order more units"
    return batch.state is BatchState.ISSUING and batch.issued_count > 0


def is_signed(stack: LocalStack, batch: Batch) -> bool:
    """A transaction for the batch's root is stored, and the platform does not know yet that it is final."""
    found = stack.sql(
        "SELECT a.state FROM anchor.anchors a JOIN anchor.transactions t USING (tree_id) "  # noqa: S608 - ids of our own
        f"WHERE a.batch_id = '{batch.id}'"
    )
    assert found != "CONFIRMED", "the root was confirmed before it was met on its way"
    return found != ""


def units_by_hand(stack: LocalStack, batch: Batch) -> list[MintedCode]:
    """The units that the batch must have, from the file of its key."""
    stored = stack.sql(f"SELECT key_id, first_number FROM factory.batches WHERE batch_id = '{batch.id}'")  # noqa: S608
    key_id, first_number = map(int, stored.split("|"))
    key = unit_keys.load(stack.data_dir / "secrets" / "unit-keys")[key_id]
    return [key.mint(number) for number in range(first_number, first_number + batch.quantity)]


def stored_units(stack: LocalStack, batch: Batch) -> tuple[int, ...]:
    """How many units the table has of the batch, and its lowest and highest id (they are a primary key)."""
    query = f"SELECT count(*), min(unit_id), max(unit_id) FROM factory.units WHERE batch_id = '{batch.id}'"  # noqa: S608
    return tuple(map(int, stack.sql(query).split("|")))


def check_export(voketag: Client, batch: Batch, units: list[MintedCode], file: Path) -> list[str]:
    """Hold the export against the units, and return the serials."""
    assert voketag.batches.export(batch.id, file) == batch.quantity
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    exported = [(int(row["index"]), int(row["unit_id"]), row["code"]) for row in rows]
    assert exported == [(index, unit.unit_id, unit.code) for index, unit in enumerate(units)]
    assert {row["state"] for row in rows} == {"ACTIVE"}
    serials = [row["serial"] for row in rows]
    assert len(set(serials)) == batch.quantity
    return serials


def check_root_and_receipts(
    stack: LocalStack, voketag: Client, batch: Batch, units: list[MintedCode], serials: list[str]
) -> str:
    """Compute the batch's root from its leaves, check receipts offline and on the chain, and return the anchor root."""
    first = voketag.receipt(units[0].code)
    facts = facts_hash(first.batch_facts)
    leaves = [
        rfc6962.leaf_hash(unit_leaf_data(salt=unit.salt, raw_code=unit.raw, facts_hash=facts, serial=serial))
        for unit, serial in zip(units, serials, strict=True)
    ]
    assert batch.merkle_root == rfc6962.root(leaves).hex()
    reached = stack.credentials
    for index in (0, QUANTITY // 2, QUANTITY - 1):
        receipt = voketag.receipt(units[index].code)
        assert (receipt.leaf_index, receipt.batch_root.hex()) == (index, batch.merkle_root)
        proven = verify_receipt(
            receipt,
            reached["chain_rpc_url"],
            contract=reached["contract_address"],
            code=units[index].code,
            min_confirmations=2,
        )
        assert proven.facts["batch_id"] == batch.id
        assert proven.chain is not None
        assert batch.anchor is not None
        assert (proven.chain.tx_hash, proven.chain.block_number) == (batch.anchor.tx_hash, batch.anchor.block_number)
    assert first.anchor is not None
    return f"0x{first.anchor.root.hex()}"


def anchored_roots(stack: LocalStack) -> list[str]:
    """Every root that the contract says it anchored, in the order of the chain."""
    query = {"fromBlock": "0x0", "address": stack.credentials["contract_address"], "topics": [ANCHORED_TOPIC]}
    return [log["topics"][1] for log in stack.anvil.call("eth_getLogs", query)]
