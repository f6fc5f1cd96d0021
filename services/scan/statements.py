"""Verdicts as signed statements; `common/statements.py` has their form."""

from datetime import datetime
from pathlib import Path

from services.common.statements import StatementKeys
from services.scan.model import Scan

TYPE = "voketag-verdict+jwt"
"""The `typ` of a statement's header."""


class VerdictKeys:
    """The keys that sign verdicts."""

    def __init__(self, folder: Path) -> None:
        """Read the keys; ValueError when a file is no Ed25519 key, or none of them can sign."""
        self._keys = StatementKeys(folder)
        self.jwks = self._keys.jwks
        """The JWK set, as text."""

    def sign(self, scan: Scan, code: str, now: datetime) -> str:
        """Return the verdict on a code as a signed statement."""
        return self._keys.sign(statement_of(scan, code), kind=TYPE, now=now)


def statement_of(scan: Scan, code: str) -> dict[str, object]:
    """Return what a statement says of a scan. `code_genuine` is about the code; `verdict` weighs the item behind it."""
    event, facts = scan.event, scan.facts
    return {
        "jti": str(event.verification_id),
        "code": code,
        "code_genuine": True,
        "valid": event.verdict.valid,
        "verdict": event.verdict.name,
        "risk_score": event.risk_score,
        "risk_factors": [factor.name for factor in event.risk_factors],
        "scanned_at": event.scanned_at.isoformat(),
        "degraded": event.degraded,
        "sandbox": facts.batch.sandbox,
        "product": {"id": str(facts.product.product_id), "name": facts.product.name, "gtin": facts.product.gtin},
        "batch": {"id": str(facts.batch.batch_id), "lot": facts.batch.lot},
        "serial": facts.serial,
    }
