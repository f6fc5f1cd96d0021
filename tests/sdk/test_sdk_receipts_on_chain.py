"""Receipts against a real chain (anvil) with the real contract, asked as an auditor asks: by JSON-RPC alone."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from deploy.local.anvil import CHAIN_ID
from tests.sdk.chain import Chain
from tests.sdk.receipt_maker import ANCHOR_SIZE
from voketag_kernel.receipts import ChainAnchor, Receipt
from voketag_sdk import errors, verify_receipt
from voketag_sdk.errors import ReceiptError


def changed(receipt: Receipt, **change: Any) -> Receipt:
    assert receipt.anchor is not None
    return replace(receipt, anchor=replace(receipt.anchor, **change))


def test_an_anchored_receipt_is_proved_by_the_chain(chain: Chain, contract: str, receipt: Receipt) -> None:
    verified = verify_receipt(receipt.to_json(), chain.anvil.url, contract=contract, code=receipt.code)
    assert verified.chain is not None
    assert verified.chain.chain_id == CHAIN_ID
    assert verified.chain.confirmations >= 1
    block = chain.anvil.call("eth_getBlockByNumber", hex(verified.chain.block_number), False)
    assert verified.existed_at == datetime.fromtimestamp(int(block["timestamp"], 16), UTC)


def test_confirmations_are_counted_with_the_transaction_s_own_block(
    chain: Chain, contract: str, receipt: Receipt
) -> None:
    verified = verify_receipt(receipt, chain.anvil.url, contract=contract)
    assert verified.chain is not None
    now = verified.chain.confirmations
    with pytest.raises(errors.TooFewConfirmations) as raised:
        verify_receipt(receipt, chain.anvil.url, contract=contract, min_confirmations=now + 2)
    assert (raised.value.confirmations, raised.value.required) == (now, now + 2)
    chain.anvil.call("anvil_mine", "0x2")
    verify_receipt(receipt, chain.anvil.url, contract=contract, min_confirmations=now + 2)


def test_a_named_chain_is_asked_in_the_default_one_s_place(chain: Chain, contract: str, receipt: Receipt) -> None:
    assert receipt.anchor is not None
    side = replace(receipt, anchor=None, anchors=(ChainAnchor("side", receipt.anchor),))
    verified = verify_receipt(side.to_json(), chain.anvil.url, contract=contract, chain="side")
    assert verified.chain is not None
    assert verified.chain.tx_hash == receipt.anchor.tx_hash
    for name in (None, "main"):
        with pytest.raises(errors.NotAnchored):
            verify_receipt(side, chain.anvil.url, contract=contract, chain=name)


def test_a_forger_s_own_contract_proves_nothing(chain: Chain, contract: str, receipt: Receipt) -> None:
    assert receipt.anchor is not None
    his = chain.deploy()
    mined = chain.anchor(his, receipt.anchor.root, ANCHOR_SIZE)
    forged = changed(
        receipt, contract=his, tx_hash=mined["transactionHash"], block_number=int(mined["blockNumber"], 16)
    )
    with pytest.raises(errors.WrongContract):
        verify_receipt(forged, chain.anvil.url, contract=contract)


def test_a_root_that_nobody_anchored_is_not_on_the_chain(chain: Chain, receipt: Receipt) -> None:
    empty = chain.deploy()
    with pytest.raises(errors.RootNotOnChain):
        verify_receipt(changed(receipt, contract=empty), chain.anvil.url, contract=empty)


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        ({"chain_id": 1}, errors.WrongChain),
        ({"tree_size": ANCHOR_SIZE + 1}, errors.ReceiptMismatch),
        ({"block_number": 4711}, errors.ReceiptMismatch),
        ({"tx_hash": "0x" + "ee" * 32}, errors.TransactionNotOnChain),
        ({"contract": "0x" + "ab" * 20}, errors.WrongContract),
    ],
)
def test_a_change_that_only_the_chain_can_tell_is_found(
    chain: Chain, receipt: Receipt, change: dict[str, Any], failure: type[ReceiptError]
) -> None:
    other = changed(receipt, **change)
    assert other.anchor is not None
    with pytest.raises(failure):
        verify_receipt(other, chain.anvil.url, contract=other.anchor.contract)


def test_another_transaction_of_the_contract_is_not_the_one(chain: Chain, contract: str, receipt: Receipt) -> None:
    assert receipt.anchor is not None
    again = chain.anchor(contract, receipt.anchor.root, ANCHOR_SIZE)  # stands already: succeeds without an event
    other = chain.anchor(contract, b"\x77" * 32, 1)
    for mined in (again, other):
        assert mined["status"] == "0x1"
        with pytest.raises(errors.RootNotOnChain, match="did not anchor"):
            verify_receipt(changed(receipt, tx_hash=mined["transactionHash"]), chain.anvil.url, contract=contract)


def test_a_transaction_that_failed_or_went_elsewhere_is_refused(chain: Chain, contract: str, receipt: Receipt) -> None:
    assert receipt.anchor is not None
    failed = chain.anchor(contract, receipt.anchor.root, ANCHOR_SIZE + 1)
    elsewhere = chain.send(b"", "0x" + "99" * 20)
    assert (failed["status"], elsewhere["status"]) == ("0x0", "0x1")
    with pytest.raises(errors.TransactionFailed):
        verify_receipt(changed(receipt, tx_hash=failed["transactionHash"]), chain.anvil.url, contract=contract)
    with pytest.raises(errors.WrongContract):
        verify_receipt(changed(receipt, tx_hash=elsewhere["transactionHash"]), chain.anvil.url, contract=contract)


class _Babbler(BaseHTTPRequestHandler):
    """A server that is no node: it answers the text that a test gives."""

    answer = b""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'"0x7a69"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'["]\\"]",' * 100_000,
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"result":null}',
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":"many"}',
        b'{"jsonrpc":"2.0","id":1,"result":"0x7a69"}',
        json.dumps({"id": 1, "error": {"code": -32601, "message": "the method does not exist"}}).encode(),
    ],
)
def test_a_server_that_is_no_node_says_nothing_about_a_receipt(receipt: Receipt, contract: str, answer: bytes) -> None:
    handler = type("Babbler", (_Babbler,), {"answer": answer})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(errors.ChainUnreachable):
                verify_receipt(receipt, f"http://127.0.0.1:{server.server_port}", contract=contract)
        finally:
            server.shutdown()
            thread.join()


def test_a_node_that_is_not_there_says_nothing_about_a_receipt(receipt: Receipt, contract: str) -> None:
    with pytest.raises(errors.ChainUnreachable):
        verify_receipt(receipt, "http://127.0.0.1:9", contract=contract)
