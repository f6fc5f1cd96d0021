"""What a tenant may choose."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.common.errors import InvalidArgument
from services.factory.model.events import TOPICS
from services.factory.model.tenants import normal_base_url

SANDBOX_QUANTITY = 1_000
"""Units that a batch may have while its tenant is in sandbox mode."""


class TagType(StrEnum):
    """What carries a code; the names are those of `voketag.factory.v1.TagType`."""

    QR = "QR"
    NFC = "NFC"


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """A version of a tenant's settings; the fields are those of `voketag.factory.v1.TenantSettings`."""

    version: int
    verification_base_url: str
    warning_above: int
    high_risk_above: int
    disabled_factors: tuple[str, ...]
    languages: tuple[str, ...]
    sandbox: bool
    updated_at: datetime
    updated_by: str
    default_tag_type: TagType = TagType.QR
    default_webhook_events: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse settings that make no sense together: InvalidArgument."""
        if self.warning_above > self.high_risk_above:
            raise InvalidArgument.of("settings.warning_above", "give at most high_risk_above")
        if normal_base_url(self.verification_base_url) != self.verification_base_url:
            raise InvalidArgument.of("settings.verification_base_url", "leave the slash at the end out")
        if unknown := sorted(set(self.default_webhook_events) - TOPICS):
            known = ", ".join(sorted(TOPICS))
            raise InvalidArgument.of(
                "settings.default_webhook_events", f"unknown: {', '.join(unknown)}; known: {known}"
            )
