"""The words of real nodes, and what we make of them."""

import pytest

from services.anchor.chain_errors import (
    ChainRefused,
    InsufficientFunds,
    refusal,
    says_already_known,
    says_nonce_used,
    says_underpriced,
)
from services.common.errors import ChainUnavailable


@pytest.mark.parametrize(
    "text",
    [
        "already known",
        "transaction already imported",
        "Known transaction",
        "AlreadyKnown",
        "existing tx with same hash",
    ],
)
def test_a_transaction_in_the_pool_is_known(text: str) -> None:
    assert says_already_known(text)
    assert not says_nonce_used(text)
    assert not says_underpriced(text)


@pytest.mark.parametrize(
    "text",
    [
        "nonce too low",
        "nonce too low: next nonce 7, tx nonce 6",
        "Nonce too low",
        "Transaction nonce is too low. Try incrementing the nonce.",
        "OldNonce, Current nonce: 7, nonce of rejected tx: 6",
        "invalid transaction nonce",
    ],
)
def test_a_nonce_below_the_accounts_is_used(text: str) -> None:
    assert says_nonce_used(text)
    assert not says_already_known(text)
    assert not says_underpriced(text)


@pytest.mark.parametrize(
    "text",
    [
        "replacement transaction underpriced",
        "transaction underpriced: tip needed 1, tip permitted 0",
        "INTERNAL_ERROR: could not replace existing tx",
        "FeeTooLowToCompete",
        "ReplacementNotAllowed",
        "max fee per gas less than block base fee: address 0x00, maxFeePerGas: 1, baseFee: 7",
        "gas price too low: 1 wei, use at least tx.gasPrice = 2 wei",
        "Gas price below configured minimum gas price",
    ],
)
def test_too_little_per_gas_is_underpriced(text: str) -> None:
    assert says_underpriced(text)
    assert not says_already_known(text)
    assert not says_nonce_used(text)


@pytest.mark.parametrize(
    "text",
    [
        "insufficient funds for gas * price + value: balance 0, tx cost 1",
        "Insufficient funds for gas * price + value",
        "InsufficientFunds, Account balance: 0, cumulative cost: 1",
        "Upfront cost exceeds account balance",
        "not enough funds for gas",
    ],
)
def test_an_empty_purse_is_insufficient_funds(text: str) -> None:
    assert isinstance(refusal(text, -32000), InsufficientFunds)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("daily request count exceeded, request rate limited", -32005),
        ("Too Many Requests", -32000),
        ("Internal error", -32603),
        ("txpool is full", -32000),
        ("sequencer pending tx pool full, please try again", -32000),
        ("transaction indexing is in progress", -32000),
    ],
)
def test_a_busy_node_is_unavailable_and_keeps_its_words_to_itself(text: str, code: int) -> None:
    error = refusal(text, code)
    assert isinstance(error, ChainUnavailable)
    assert text not in error.message


@pytest.mark.parametrize(
    "text", ["nonce too high", "intrinsic gas too low", "invalid sender", "exceeds block gas limit"]
)
def test_anything_else_is_refused_with_the_nodes_words(text: str) -> None:
    error = refusal(text, -32000)
    assert type(error) is ChainRefused
    assert error.text == text
