"""Receipts, with the real Factory and Anchor behind Scan: what they prove, and what is said without them."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.anchor.app import open_app as open_anchor
from services.anchor.settings import Settings as AnchorSettings
from services.common.database import Database
from services.common.settings import ProcessSettings
from services.factory.minting_pool import MintingPool
from services.factory.operations.claims import Claims
from services.factory.operations.issuing import Issuer
from services.scan.app import open_app
from services.scan.settings import Settings
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import UNIT_SECRET
from tests.rpc.scan.clients import Consumer
from tests.rpc.scan.registry import Registry
from voketag.factory.v1 import factory_pb2
from voketag_kernel import rfc6962
from voketag_kernel.codes import UnitCodeKey
from voketag_kernel.receipts import check_offline, parse, root_leaf_data

QUANTITY = 300
CONTRACT = "0x" + "5b" * 20
TX_HASH = "0x" + "7c" * 32


@dataclass(frozen=True)
class Line:
    """Factory, Anchor and Scan, and how to have a batch issued."""

    factory: Client
    consumer: Consumer
    registry: Registry
    issue: Callable[[str], Any]

    async def order(self) -> str:
        """Order a batch and return its id; nothing is issued yet."""
        product = await self.factory.CreateProduct(factory_pb2.CreateProductRequest(sku="A-1", name="Olive oil"))
        request = factory_pb2.CreateBatchRequest(product_id=product.product_id, quantity=QUANTITY, lot="L-7")
        batch_id: str = (await self.factory.CreateBatch(request)).batch_id
        return batch_id


@pytest.fixture
async def line(
    factory: Client,
    factory_server: str,
    scan_settings: Settings,
    database_url: DatabaseUrl,
    registry: Registry,
) -> AsyncIterator[Line]:
    """The three services, with a chain that nobody can reach: a receipt never asks it."""
    anchor_settings = AnchorSettings(
        listen="127.0.0.1:0",
        database_url=database_url("voketag_anchor"),
        queue_url=scan_settings.queue_url,
        token_public_keys=scan_settings.token_public_keys,
        stop_grace_seconds=0.1,
        chain_rpc_url="http://127.0.0.1:9",
        chain_id=31337,
        contract_address=CONTRACT,
    )
    async with AsyncExitStack() as stack:
        anchor_server = await stack.enter_async_context(open_anchor(anchor_settings))
        near = {"factory_address": factory_server, "anchor_address": f"127.0.0.1:{anchor_server.port}"}
        scan_server = await stack.enter_async_context(open_app(scan_settings.model_copy(update=near)))
        database = await stack.enter_async_context(
            aclosing(Database.open(ProcessSettings(database_url=database_url("voketag_factory"))))
        )

        async def issue(batch_id: str) -> None:
            with closing(_Minting(scan_settings.unit_keys)) as minting:
                claim = await Claims(database=database, lease=timedelta(seconds=15)).take()
                assert claim is not None
                assert str(claim.batch.batch_id) == batch_id
                await Issuer(database=database, minter=minting.pool).issue(claim)

        yield Line(
            factory=factory,
            consumer=Consumer(f"127.0.0.1:{scan_server.port}"),
            registry=registry,
            issue=issue,
        )


async def test_a_receipt_leads_from_the_code_to_the_batch_root_before_it_is_anchored(line: Line) -> None:
    batch_id = await line.order()
    await line.issue(batch_id)
    code = UnitCodeKey(1, UNIT_SECRET).mint(257).code
    body = await line.consumer.receipt(code)
    assert body.content_type == "application/json"
    document = json.loads(body.data)
    assert (document["format"], document["code"], document["anchor"]) == ("voketag-receipt/v1", code, None)
    assert (document["leaf_index"], document["tree_size"]) == (257, QUANTITY)
    checked = check_offline(parse(body.data))
    assert (checked.facts["batch_id"], checked.facts["lot"], checked.anchor_root) == (batch_id, "L-7", None)
    [row] = await line.registry.sql("SELECT merkle_root FROM factory.batches")
    assert checked.batch_root == row["merkle_root"]
    assert await line.registry.sql("SELECT 1 FROM scan.scan_events") == [], "asking for a receipt is not a scan"


async def test_a_confirmed_anchor_is_in_the_receipt_and_a_pending_one_is_not(line: Line) -> None:
    batch_id = await line.order()
    await line.issue(batch_id)
    code = UnitCodeKey(1, UNIT_SECRET).mint(0).code
    anchor_root = await _anchored(line.registry, UUID(batch_id))
    checked = check_offline(parse((await line.consumer.receipt(code)).data))
    assert checked.anchor_root == anchor_root
    anchor = json.loads((await line.consumer.receipt(code)).data)["anchor"]
    assert (anchor["leaf_index"], anchor["tree_size"], anchor["root"]) == (1, 3, anchor_root.hex())
    assert (anchor["chain_id"], anchor["contract"], anchor["tx_hash"], anchor["block_number"]) == (
        31337,
        CONTRACT,
        TX_HASH,
        42,
    )
    await line.registry.sql("UPDATE anchor.anchors SET state = 'SUBMITTED'")
    assert json.loads((await line.consumer.receipt(code)).data)["anchor"] is None


async def test_every_chain_that_confirmed_is_in_the_receipt_and_the_dry_one_never(line: Line) -> None:
    batch_id = await line.order()
    await line.issue(batch_id)
    code = UnitCodeKey(1, UNIT_SECRET).mint(0).code
    own_root = await _anchored(line.registry, UUID(batch_id))
    other_root = await _anchored(line.registry, UUID(batch_id), chain="other", position=1)
    await _anchored(line.registry, UUID(batch_id), chain="dry", position=2)
    document = json.loads((await line.consumer.receipt(code)).data)
    assert [(one["chain"], one["chain_id"]) for one in document["anchors"]] == [("main", 31337), ("other", 31338)]
    assert document["anchors"][0] == {"chain": "main", **document["anchor"]}
    assert document["anchors"][1]["tx_hash"] == TX_HASH[:-1] + "1"
    checked = check_offline(parse(json.dumps(document)))
    assert checked.anchor_roots == (own_root, other_root)
    await line.registry.sql("UPDATE anchor.anchors SET state = 'SUBMITTED' WHERE chain = 'main'")
    document = json.loads((await line.consumer.receipt(code)).data)
    assert document["anchor"] is None
    assert [one["chain"] for one in document["anchors"]] == ["other"]


async def test_a_batch_on_the_dry_chain_alone_has_a_receipt_without_an_anchor(line: Line) -> None:
    batch_id = await line.order()
    await line.issue(batch_id)
    await _anchored(line.registry, UUID(batch_id), chain="dry")
    document = json.loads((await line.consumer.receipt(UnitCodeKey(1, UNIT_SECRET).mint(0).code)).data)
    assert document["anchor"] is None
    assert "anchors" not in document


async def test_a_batch_that_is_not_issued_has_no_known_codes(line: Line) -> None:
    await line.order()
    answer = await refusal(line.consumer.receipt(UnitCodeKey(1, UNIT_SECRET).mint(0).code))
    assert (answer.code, answer.reason) == ("NOT_FOUND", "UNKNOWN_CODE")


async def test_a_malformed_code_has_no_receipt(line: Line) -> None:
    assert (await refusal(line.consumer.receipt("no-code"))).reason == "MALFORMED_CODE"


async def test_without_factory_there_is_no_receipt_and_scans_go_on(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    answer = await refusal(consumer.receipt(code))
    assert (answer.code, answer.reason) == ("UNAVAILABLE", "UNAVAILABLE")
    assert (await consumer.scan(code)).valid


class _Minting:
    """A minting pool that ends with its block."""

    def __init__(self, unit_keys: Path) -> None:
        self.pool = MintingPool(processes=1, keys_folder=unit_keys)

    def close(self) -> None:
        """End its processes."""
        self.pool.shutdown()


async def _anchored(registry: Registry, batch_id: UUID, *, chain: str = "main", position: int = 0) -> bytes:
    """Store what Anchor's worker stores for a batch that shares its transaction with two others; return the root."""
    [batch] = await registry.sql("SELECT merkle_root, quantity FROM factory.batches")
    leaves = [rfc6962.leaf_hash(data) for data in (b"one", b"", b"three")]
    leaves[1] = rfc6962.leaf_hash(root_leaf_data(batch["merkle_root"], batch["quantity"]))
    root, tree_id = rfc6962.root(leaves), uuid4()
    tx_hash = TX_HASH[:-1] + str(position) if position else TX_HASH
    await registry.sql(
        "INSERT INTO anchor.anchor_trees (tree_id, root, size, state, chain_id, contract, tx_hash, created_at) "
        "VALUES ($1, $2, 3, 'CONFIRMED', $3, $4, $5, now())",
        *(tree_id, root, 31337 + position, CONTRACT, tx_hash),
    )
    await registry.sql(
        "INSERT INTO anchor.transactions (tx_hash, tree_id, state, block_number, signed_at) "
        "VALUES ($1, $2, 'CONFIRMED', 42, now())",
        *(tx_hash, tree_id),
    )
    await registry.sql(
        "INSERT INTO anchor.anchors (anchor_id, batch_id, merkle_root, tree_size, state, tree_id, leaf_index, "
        "inclusion_path, created_at, chain, position) VALUES ($1, $2, $3, $4, 'CONFIRMED', $5, 1, $6, now(), $7, $8)",
        *(uuid4(), batch_id, batch["merkle_root"], batch["quantity"], tree_id),
        b"".join(rfc6962.inclusion_path(1, leaves)),
        *(chain, position),
    )
    return root
