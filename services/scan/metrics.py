"""Scan's metrics. Children are bound here, once: looking labels up costs more than counting."""

from prometheus_client import Counter, Gauge, Histogram

from services.scan.model import Verdict

_verdicts = Counter("voketag_scan_verdicts", "Scans answered, by verdict.", ["verdict"])
VERDICTS = {verdict: _verdicts.labels(verdict.name) for verdict in Verdict}

_refused = Counter("voketag_scan_refused", "Codes that got no verdict, by reason.", ["reason"])
MALFORMED = _refused.labels("malformed")
UNKNOWN = _refused.labels("unknown")
LIMITED = _refused.labels("limited")

_facts = Counter("voketag_scan_facts", "Look-ups of a unit's facts, by whether the cache had them.", ["result"])
FACTS_HITS = _facts.labels("hit")
FACTS_MISSES = _facts.labels("miss")

DEGRADED = Counter("voketag_scan_degraded", "Scans judged without the hot state.")
COMMIT_SIZE = Histogram(
    "voketag_scan_commit_size", "Scans recorded in one commit.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
COMMIT_SECONDS = Histogram(
    "voketag_scan_commit_seconds",
    "Time of one commit, in seconds.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)

LEDGER_LEADER = Gauge("voketag_scan_ledger_leader", "1 in the process that adds entries to the ledger.")
LEDGER_SIZE = Gauge("voketag_scan_ledger_size", "Entries of the ledger, as its leader knows.")
LEDGER_DELAY = Gauge("voketag_scan_ledger_delay_seconds", "Age of a round's oldest scan when it was signed.")
LEDGER_ROUND_SECONDS = Histogram(
    "voketag_scan_ledger_round_seconds",
    "Time of one round of the sequencer, in seconds.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
ROLLUPS_BEHIND = Gauge("voketag_scan_rollups_behind", "Entries of the ledger that are not in the sums of scans yet.")
