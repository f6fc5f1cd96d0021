"""How a chain, or its signer, can fail us, typed, so that the anchor operations decide by class and never by text.

`ChainUnavailable` (and `WrongChain` under it) means: nothing is known to have happened, ask again later. `ChainRefused`
means: the node understood and said no; the same request gets the same answer until something changes. Refusals are
handled inside the anchor service and never cross an RPC, hence they stand outside the tree of `services.common.errors`.
"""

from services.common.errors import ChainUnavailable


class WrongChain(ChainUnavailable):
    """The node is of another chain, or our contract is not on it: writing stops until an operator has looked."""


class NodesDisagree(ChainUnavailable):
    """The chain's nodes tell different stories about something final: nothing is decided until they agree."""


class SignerUnavailable(ChainUnavailable):
    """The process that holds the key does not answer. Nothing was signed; ask again later."""


class ChainRefused(Exception):
    """The node refused a request. `text` is the node's own wording: for logs, never to decide by."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class ContractReverted(ChainRefused):
    """The contract would refuse the call; the text carries its reason, such as "not a writer"."""


class SignerRefused(ChainRefused):
    """The process that holds the key will not sign, or signed something else than it was asked to."""


class InsufficientFunds(ChainRefused):
    """The signer cannot pay for the transaction. Nothing is wrong with the anchors: top up the balance and go on."""


class LowBalance(ChainRefused):
    """The signer's balance is under the configured floor. What is under way goes on, nothing new is signed."""


class FeeAboveCeiling(ChainRefused):
    """The chain asks for more per gas than the configured ceiling. Wait, or raise the ceiling."""


# Nodes give no code for these, only their own words.
_ALREADY_KNOWN = (
    "already known",  # geth, Reth
    "already imported",  # anvil
    "known transaction",  # Besu, Klaytn, zkSync
    "alreadyknown",  # Nethermind
    "existing tx with same hash",  # Erigon
)
_NONCE_USED = (
    "nonce too low",  # geth, Reth, Erigon, Besu, anvil
    "nonce is too low",  # OpenEthereum
    "oldnonce",  # Nethermind
    "invalid transaction nonce",  # Arbitrum
)
_UNDERPRICED = (
    "underpriced",  # geth, Reth, Erigon, Besu, anvil: to enter the pool, or to replace what is in it
    "could not replace existing tx",  # Erigon
    "feetoolow",  # Nethermind
    "replacementnotallowed",  # Nethermind
    "less than block base fee",  # geth, anvil, Arbitrum
    "gas price too low",  # Arbitrum, Metis
    "gas price below configured minimum",  # Besu
)
_NO_FUNDS = (
    "insufficient funds",  # geth, Reth, Erigon, anvil
    "insufficientfunds",  # Nethermind
    "upfront cost exceeds",  # Besu
    "not enough funds",  # Arbitrum
)
_BUSY = (
    *("rate limit", "too many requests", "timeout", "timed out", "internal error"),
    *("pool is full", "pool full", "queue full"),
    "indexing is in progress",  # geth, for a transaction it may know
)
_BUSY_CODES = (-32603, -32005, 429)  # internal error (JSON-RPC 2.0), limit exceeded (EIP-1474), HTTP's own


def says_already_known(text: str) -> bool:
    """The pool holds this very transaction."""
    return _any_of(_ALREADY_KNOWN, text)


def says_nonce_used(text: str) -> bool:
    """A mined transaction has this nonce: this one or another."""
    return _any_of(_NONCE_USED, text)


def says_underpriced(text: str) -> bool:
    """The fees are too low to enter the pool or to replace what is in it."""
    return _any_of(_UNDERPRICED, text)


def refusal(text: str, code: object = None) -> ChainRefused | ChainUnavailable:
    """The typed error for a JSON-RPC error object's message and code."""
    if _any_of(_NO_FUNDS, text):
        return InsufficientFunds(text)
    if code in _BUSY_CODES or _any_of(_BUSY, text):
        return ChainUnavailable("the chain's node is too busy to answer; try again")
    return ChainRefused(text)


def _any_of(needles: tuple[str, ...], text: str) -> bool:
    lowered = text.lower()
    return any(needle in lowered for needle in needles)
