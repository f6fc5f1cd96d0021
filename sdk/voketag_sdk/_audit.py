"""What an auditor asks of one receipt: link by link, then node by node. `verify` prints what comes out.

The standard library and the kernel suffice. Unlike `verify_receipt`, which raises at the first thing that is wrong,
this keeps everything that was looked at.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final
from urllib.parse import urlsplit

from voketag_kernel import receipts as kernel
from voketag_kernel.receipts import AnchorProof, Link, Receipt

HOLDS: Final = "holds"
FAILS: Final = "fails"
SKIPPED: Final = "skipped"


class Outcome(IntEnum):
    """What a check comes to; the value is the command's exit code."""

    HOLDS = 0
    PROVES_NOTHING = 1
    MALFORMED = 2
    NOT_ON_CHAIN = 3
    CHAIN_UNREACHABLE = 4


_WORST_FIRST = (Outcome.PROVES_NOTHING, Outcome.NOT_ON_CHAIN, Outcome.CHAIN_UNREACHABLE, Outcome.HOLDS)
"""Every node that was named must agree: a "no" outweighs silence, and silence outweighs a "yes"."""

_CHAIN_VERDICTS = {
    Outcome.HOLDS: "VALID: the chain holds what this code, its serial and these facts lead to",
    Outcome.PROVES_NOTHING: "PROVES NOTHING: the chain says otherwise",
    Outcome.NOT_ON_CHAIN: "NOT ON THE CHAIN, or not deep enough yet: ask for the receipt again later",
    Outcome.CHAIN_UNREACHABLE: "UNKNOWN: the chain could not be asked, which says nothing about the receipt",
}


@dataclass(frozen=True, slots=True)
class Trust:
    """What the auditor brings. Nodes to ask and the registry contracts to believe go together; `code` is in his hand.

    `contracts` are by chain id; the one under None is that of the receipt's own `anchor`.
    """

    rpc_urls: Sequence[str] = ()
    contracts: Mapping[int | None, str] = field(default_factory=dict)
    min_confirmations: int = 1
    code: str | None = None
    timeout: float = 10.0
    """Seconds, for each question to a node."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at. `state` is HOLDS, FAILS or SKIPPED; `detail` says what, or why not."""

    name: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole check. `facts` are the receipt's words: worth nothing unless a chain was asked and agrees."""

    outcome: Outcome
    verdict: str
    receipt: Receipt
    facts: Mapping[str, Any]
    steps: Sequence[Step]


def audit(receipt: Receipt, trust: Trust) -> Audit:
    """Check a receipt as far as the auditor's means go. The kernel's MalformedReceipt when its texts cannot be read."""
    steps, facts = _links(receipt)
    if trust.code is not None:
        same = trust.code == receipt.code
        steps.append(
            Step("code", HOLDS if same else FAILS, f"the receipt is {'' if same else 'not '}of the code in hand")
        )
    ways = _ways(receipt)
    for chain_id in dict.fromkeys(way.chain_id for way in ways):
        if (trusted := _trusted(receipt, trust, chain_id)) is not None:
            steps.append(_contract([way for way in ways if way.chain_id == chain_id], trusted))
    if any(step.state == FAILS for step in steps):
        outcome, verdict = Outcome.PROVES_NOTHING, "PROVES NOTHING: it does not hold, whatever a chain says"
    elif not trust.rpc_urls:
        steps.append(Step("chain", SKIPPED, "not asked: give a node's URL and the contract that you trust"))
        outcome, verdict = Outcome.HOLDS, "CONSISTENT, as a forgery can be: only the chain can tell whether it is true"
    elif not ways:
        steps.append(Step("chain", SKIPPED, "not asked: the receipt leads to none"))
        outcome, verdict = Outcome.NOT_ON_CHAIN, "NOT ANCHORED YET: ask for the receipt again later"
    else:
        answers = [_ask_for(receipt, url, trust) for url in trust.rpc_urls]
        steps += [step for _, step in answers]
        outcome = min((answer for answer, _ in answers), key=_WORST_FIRST.index)
        verdict = _CHAIN_VERDICTS[outcome]
    return Audit(outcome, verdict, receipt, facts, steps)


def _links(receipt: Receipt) -> tuple[list[Step], Mapping[str, Any]]:
    """Return the offline steps and the facts."""
    anchor = receipt.anchor
    claims = {
        Link.FACTS: f"the facts state as many units as the batch's tree has leaves: {receipt.tree_size}",
        Link.UNIT: f"code, serial, salt and facts lead to the batch root {receipt.batch_root.hex()}",
        Link.ANCHOR: f"the batch root leads to the anchor root {anchor.root.hex()}" if anchor else "no anchor yet",
    }
    if receipt.anchors:
        chains = ", ".join(f"{each.chain} ({each.proof.chain_id})" for each in receipt.anchors)
        claims[Link.ANCHORS] = f"the batch root leads to an anchor root on each of these chains: {chains}"
    state = HOLDS
    steps = []
    try:
        facts = kernel.check_offline(receipt).facts
        broken = None
    except kernel.ReceiptMismatch as error:
        facts = json.loads(receipt.batch_facts)  # the kernel has read it, too, or it would be malformed
        broken, claims[error.broken] = error.broken, str(error)
    for link, claim in claims.items():
        if link is broken:
            steps.append(Step(link, FAILS, claim))
            state = SKIPPED
        elif link is Link.ANCHOR and anchor is None:
            steps.append(Step(link, SKIPPED, claim))
        else:
            steps.append(Step(link, state, claim if state == HOLDS else "what it stands on does not hold"))
    return steps, facts


def _ways(receipt: Receipt) -> list[AnchorProof]:
    """Return every way to a chain; the default chain's stands in `anchors`, too."""
    first = [] if receipt.anchor is None else [receipt.anchor]
    return first + [each.proof for each in receipt.anchors if each.proof != receipt.anchor]


def _trusted(receipt: Receipt, trust: Trust, chain_id: int) -> str | None:
    """Return the contract to believe on a chain."""
    chains = {way.chain_id for way in _ways(receipt)}
    default = receipt.anchor.chain_id if receipt.anchor else chains.pop() if len(chains) == 1 else None
    return trust.contracts.get(chain_id) or (trust.contracts.get(None) if chain_id == default else None)


def _contract(ways: Sequence[AnchorProof], trusted: str) -> Step:
    if any(way.contract.lower() == trusted.lower() for way in ways):
        return Step("contract", HOLDS, f"on chain {ways[0].chain_id} it leads to the contract that you trust")
    return Step("contract", FAILS, f"the receipt leads to the contract {ways[0].contract}, not to {trusted}")


def _ask_for(receipt: Receipt, url: str, trust: Trust) -> tuple[Outcome, Step]:
    """Return what one node says about the anchor on its chain."""
    ways = _ways(receipt)
    chain_id = ways[0].chain_id
    if len({way.chain_id for way in ways}) > 1:
        from voketag_sdk import errors  # noqa: PLC0415 - as in `_ask`
        from voketag_sdk._chain import chain_id_of  # noqa: PLC0415

        node = urlsplit(url).hostname
        try:
            chain_id = chain_id_of(url, timeout=trust.timeout)
        except errors.ChainUnreachable as error:
            return Outcome.CHAIN_UNREACHABLE, Step("chain", SKIPPED, f"{node}: {error}")
        ways = [way for way in ways if way.chain_id == chain_id]
        if not ways:
            return Outcome.PROVES_NOTHING, Step(
                "chain", FAILS, f"{node}: the receipt does not lead to chain {chain_id}"
            )
    trusted = _trusted(receipt, trust, chain_id)
    if trusted is None:
        advice = f"not asked: name the contract that you trust there, --contract {chain_id}:0x..."
        return Outcome.CHAIN_UNREACHABLE, Step("chain", SKIPPED, advice)
    return _ask(next(way for way in ways if way.contract.lower() == trusted.lower()), url, trust)


def _ask(anchor: AnchorProof, url: str, trust: Trust) -> tuple[Outcome, Step]:
    """Return what one node says. ValueError when the URL is not one of JSON-RPC."""
    # Here, since HTTP and TLS take longer to import than everything else takes to run.
    from voketag_sdk import errors  # noqa: PLC0415
    from voketag_sdk._chain import check_anchor  # noqa: PLC0415

    node = urlsplit(url).hostname  # and no more: the paths of such URLs carry keys
    try:
        found = check_anchor(anchor, url, min_confirmations=trust.min_confirmations, timeout=trust.timeout)
    except errors.ChainUnreachable as error:
        return Outcome.CHAIN_UNREACHABLE, Step("chain", SKIPPED, f"{node}: {error}")
    except errors.RootNotInTransaction as error:
        return Outcome.PROVES_NOTHING, Step("chain", FAILS, f"{node}: {error}")
    except (errors.RootNotOnChain, errors.TransactionNotOnChain, errors.TooFewConfirmations) as error:
        return Outcome.NOT_ON_CHAIN, Step("chain", FAILS, f"{node}: {error}")
    except errors.ReceiptError as error:
        return Outcome.PROVES_NOTHING, Step("chain", FAILS, f"{node}: {error}")
    detail = (
        f"{node}: the contract {found.contract} on chain {found.chain_id} holds the anchor root since"
        f" {found.anchored_at:%Y-%m-%d %H:%M:%S} UTC; the transaction {found.tx_hash} wrote it"
        f" in block {found.block_number}, {found.confirmations} deep"
    )
    return Outcome.HOLDS, Step("chain", HOLDS, detail)
