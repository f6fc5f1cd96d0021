"""What PostgreSQL says of the work that a statement was."""

import json
from collections import Counter
from typing import Any


def rows_read(explained: str) -> Counter[str]:
    """Return how many rows each partition of scan events gave, kept or not, from EXPLAIN (ANALYZE, FORMAT JSON)."""
    read: Counter[str] = Counter()
    _add(read, json.loads(explained)[0]["Plan"])
    return read


def _add(read: Counter[str], plan: dict[str, Any]) -> None:
    if str(plan.get("Relation Name", "")).startswith("scan_events"):
        rows = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
        read[plan["Relation Name"]] += round(rows)
    for part in plan.get("Plans", ()):
        _add(read, part)
