"""Four questions to a chain about one root, over Ethereum JSON-RPC (https://ethereum.github.io/execution-apis/).

Standard library only. The node is trusted to tell the truth about its chain, and for nothing else: every answer is
checked for its form. Ask a node of your own, or two of different operators, if that is too much trust.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from voketag_kernel.receipts import AnchorProof, anchored_at_call, is_anchored_event
from voketag_sdk._version import __version__
from voketag_sdk.errors import (
    ChainUnreachable,
    ReceiptMismatch,
    RootNotInTransaction,
    RootNotOnChain,
    TooFewConfirmations,
    TransactionFailed,
    TransactionNotOnChain,
    WrongChain,
    WrongContract,
)

_MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""The logs of a transaction that anchors 256 roots take 200 KB."""

_MOST_DEPTH = 32
"""An answer with logs is five deep."""
_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)  # to the very end where no quote ends it: linear


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEvidence:
    """What the chain says about a receipt's root. `confirmations` counts the transaction's own block."""

    chain_id: int
    contract: str
    tx_hash: str
    block_number: int
    anchored_at: datetime
    confirmations: int


def chain_id_of(rpc_url: str, *, timeout: float) -> int:
    """Return the EIP-155 id of the chain that a node is of; ChainUnreachable."""
    return _Node(rpc_url, timeout).number("eth_chainId", [])


def check_anchor(anchor: AnchorProof, rpc_url: str, *, min_confirmations: int, timeout: float) -> ChainEvidence:
    """Ask the chain about an anchor root; a ReceiptError says what is wrong."""
    node = _Node(rpc_url, timeout)
    chain_id = node.number("eth_chainId", [])
    if chain_id != anchor.chain_id:
        raise WrongChain(f"the receipt is on chain {anchor.chain_id}, and the JSON-RPC URL is of chain {chain_id}")
    call = {"to": anchor.contract, "data": anchored_at_call(anchor.root)}
    anchored_at = node.word("eth_call", [call, "latest"])
    if anchored_at is None:
        raise WrongContract(f"there is no contract at {anchor.contract} on chain {chain_id}")
    if anchored_at == 0:
        raise RootNotOnChain("the contract does not hold the receipt's root")
    block_number = _check_transaction(anchor, node.mapping("eth_getTransactionReceipt", [anchor.tx_hash]))
    confirmations = node.number("eth_blockNumber", []) - block_number + 1
    if confirmations < min_confirmations:
        raise TooFewConfirmations(max(confirmations, 0), min_confirmations)
    return ChainEvidence(
        chain_id=chain_id,
        contract=anchor.contract,
        tx_hash=anchor.tx_hash,
        block_number=block_number,
        anchored_at=_moment(anchored_at),
        confirmations=confirmations,
    )


def _check_transaction(anchor: AnchorProof, transaction: Mapping[str, Any] | None) -> int:
    """Make sure that this very transaction wrote the root, with its size, and return the number of its block."""
    if transaction is None or transaction.get("blockNumber") is None:
        raise TransactionNotOnChain(f"the chain has the transaction {anchor.tx_hash} in no block")
    if _number(transaction.get("status")) != 1:
        raise TransactionFailed(f"the transaction {anchor.tx_hash} failed")
    if str(transaction.get("to")).lower() != anchor.contract.lower():
        raise WrongContract(f"the transaction {anchor.tx_hash} is not one of the contract's")
    logs = transaction.get("logs")
    if not isinstance(logs, list) or not all(isinstance(log, Mapping) for log in logs):
        raise ChainUnreachable("the node answers with logs that are none")
    events = [log for log in logs if is_anchored_event(log, contract=anchor.contract, root=anchor.root)]
    if not events:
        raise RootNotInTransaction(f"the transaction {anchor.tx_hash} did not anchor the receipt's root")
    if _first_word(events[0].get("data")) != anchor.tree_size:
        raise ReceiptMismatch("the root was anchored with another tree size than the receipt's")
    block_number = _number(transaction["blockNumber"])
    if block_number != anchor.block_number:
        raise ReceiptMismatch(f"the transaction is in block {block_number}, not in {anchor.block_number}")
    return block_number


class _Node:
    def __init__(self, url: str, timeout: float) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise ValueError(f"{url!r} is not a JSON-RPC URL; it looks like https://rpc.example.com")
        self._url = url
        self._timeout = timeout
        self._ids = count(1)

    def number(self, method: str, params: list[Any]) -> int:
        return _number(self._ask(method, params))

    def word(self, method: str, params: list[Any]) -> int | None:
        """Return a 256-bit word; None for "0x", which calls to an address without code return."""
        answer = self._ask(method, params)
        return None if answer == "0x" else _first_word(answer)

    def mapping(self, method: str, params: list[Any]) -> Mapping[str, Any] | None:
        answer = self._ask(method, params)
        if answer is not None and not isinstance(answer, Mapping):
            raise ChainUnreachable(f"the node answers {method} with no object")
        return answer

    def _ask(self, method: str, params: list[Any]) -> object:
        number = next(self._ids)
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        headers = {"content-type": "application/json", "user-agent": f"voketag-python/{__version__}"}
        try:
            # The scheme was checked: this opens no file.
            with urlopen(Request(self._url, body, headers), timeout=self._timeout) as response:  # noqa: S310
                answer = _decode(response.read(_MAX_ANSWER_BYTES))
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            raise ChainUnreachable(f"the node does not answer {method}: {error}") from error
        if not isinstance(answer, Mapping) or "error" in answer or "result" not in answer:
            problem = answer.get("error") if isinstance(answer, Mapping) else answer
            raise ChainUnreachable(f"the node refuses {method}: {str(problem)[:200]}")
        return answer["result"]


def _decode(answer: bytes) -> object:
    """Return the answer's JSON; ValueError where it is none.

    Its depth is measured first. The interpreter's own guard is not enough: a library may have raised the recursion
    limit for the whole process (web3 brings one that does), and then bottomless nesting would end it.
    """
    text = answer.decode()
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", _TEXT.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > _MOST_DEPTH:
            raise ValueError("it is nested too deeply")
    decoded: object = json.loads(text)
    return decoded


def _number(value: object) -> int:
    """Return a JSON-RPC quantity."""
    try:
        return int(str(value), 16)
    except ValueError as error:
        raise ChainUnreachable(f"the node answers with {str(value)[:80]!r} where a number belongs") from error


def _first_word(value: object) -> int:
    """Return the first 32-byte word of JSON-RPC data."""
    text = str(value)
    if not text.startswith("0x") or len(text) < 66:
        raise ChainUnreachable(f"the node answers with {text[:80]!r} where a 32-byte word belongs")
    return _number(text[:66])


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ChainUnreachable("the node answers with a time outside of all calendars") from error
