"""What scanning devices said of themselves, in the clear: kept for hours where the operator chose so, else never."""

from collections.abc import Sequence
from datetime import datetime

from services.scan.model import Device, ScanEvent
from services.scan.storage.connection import HeldConnection

_KEEP = """
INSERT INTO scan.device_hints (verification_id, scanned_at, address, user_agent, languages, screen, time_zone)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
"""
_FORGET = "DELETE FROM scan.device_hints WHERE scanned_at < $1"


async def keep(connection: HeldConnection, scans: Sequence[tuple[ScanEvent, Device]]) -> None:
    """Keep the hints of recorded scans."""
    await connection.fetch(
        _KEEP,
        [event.verification_id for event, _ in scans],
        [event.scanned_at for event, _ in scans],
        *(
            [getattr(device, name).replace("\0", "") for _, device in scans]  # PostgreSQL keeps no NUL
            for name in ("address", "user_agent", "languages", "screen", "time_zone")
        ),
    )


async def forget_before(connection: HeldConnection, moment: datetime) -> None:
    """Delete what is older."""
    await connection.fetch(_FORGET, moment)
