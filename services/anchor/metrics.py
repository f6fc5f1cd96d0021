"""Anchor's own metrics, beside those of every server."""

from prometheus_client import Counter, Gauge

anchors = Gauge("voketag_anchor_anchors", "Anchors that are not CONFIRMED, by state.", ["chain", "state"])
confirmed_roots = Counter("voketag_anchor_confirmed_roots", "Batch roots that the chain has confirmed.", ["chain"])
transactions = Counter(
    "voketag_anchor_transactions", "Transactions: signed, replaced, confirmed, failed, filler.", ["chain", "event"]
)
refusals = Gauge(
    "voketag_anchor_refusals",
    "Transactions in a row that were paid for and did not anchor their root; 0 once one has again.",
    ["chain"],
)
reorganisations = Counter(
    "voketag_anchor_reorganisations", "Transactions that a reorganisation threw out of a block.", ["chain"]
)
gas = Counter("voketag_anchor_gas", "Gas used by settled transactions.", ["chain"])
head_age_seconds = Gauge("voketag_anchor_head_age_seconds", "Age of the chain's newest block.", ["chain"])
balance_wei = Gauge("voketag_anchor_balance_wei", "What the signing address holds.", ["chain"])
waiting = Gauge("voketag_anchor_waiting", "1 while the writer waits for an operator or a node, else 0.", ["chain"])
node_disagreements = Counter(
    "voketag_anchor_node_disagreements",
    "Times that the nodes of a chain told different stories about something final.",
    ["chain"],
)
node_failures = Counter(
    "voketag_anchor_node_failures",
    "Questions that a node did not answer, or not as one of our chain.",
    ["chain", "reason"],
)
wrong_chain = Gauge(
    "voketag_anchor_wrong_chain", "1 while no node is of the chain that our books are about, else 0.", ["chain"]
)
balance_floor_wei = Gauge("voketag_anchor_balance_floor_wei", "Balance under which nothing new is signed.", ["chain"])
oldest_pending_seconds = Gauge(
    "voketag_anchor_oldest_pending_seconds", "Age of the oldest root that waits for a transaction, else 0.", ["chain"]
)
nonce = Gauge("voketag_anchor_nonce", "The nonce of the signer's next transaction, after what is in blocks.", ["chain"])
base_fee_wei = Gauge("voketag_anchor_base_fee_wei", "What the head block asks for a unit of gas.", ["chain"])
cost_per_root_wei = Gauge(
    "voketag_anchor_cost_per_root_wei", "What a root cost in the newest confirmed transaction.", ["chain"]
)
last_error_timestamp_seconds = Gauge(
    "voketag_anchor_last_error_timestamp_seconds", "When something last kept the writer from going on.", ["chain"]
)


def forget(chain: str) -> None:
    """Show no gauge of a chain: another process writes to it now, and what this one saw last would stay for ever."""
    for gauge in list(globals().values()):
        if isinstance(gauge, Gauge):
            gauge.remove_by_labels({"chain": chain})
