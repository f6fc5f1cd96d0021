"""Reports of consumers: kept once a device, unit and day, tied to the scan that they are about, never more than an
address may send."""

from collections.abc import MutableMapping
from datetime import timedelta
from uuid import UUID

from services.common.clock import Clock
from services.common.errors import ConcurrentUpdate, IdempotencyConflict, InvalidArgument, RateLimited, ScanNotFound
from services.common.ids import uuid7
from services.scan.codes import unit_or_nobody
from services.scan.fingerprint import Fingerprints
from services.scan.model import Device, Report, ReportedUnit, TakenReport
from services.scan.operations.lookups import Lookups
from services.scan.storage import reports as storage
from services.scan.storage.connection import HeldConnection
from voketag_kernel.codes import KeyRing

_COME_BACK = timedelta(hours=1)
_LOOKS = 2  # whoever loses a race against the same report finds the winner's on the second look


class Reports:
    """Takes reports."""

    def __init__(
        self,
        *,
        keys: KeyRing,
        lookups: Lookups,
        connection: HeldConnection,
        fingerprints: Fingerprints,
        clock: Clock,
        most_per_address: int,
    ) -> None:
        """`most_per_address` is how many reports one address may send within a day."""
        self._keys = keys
        self._lookups = lookups
        self._connection = connection
        self._fingerprints = fingerprints
        self._clock = clock
        self._most_per_address = most_per_address

    async def report(
        self,
        *,
        code: str,
        verification_id: UUID | None,
        reason: str,
        details: str,
        device: Device,
        request_id: UUID | None,
        told: MutableMapping[str, str],
        credential: str = "",
    ) -> TakenReport:
        """Keep a report and return it, or the one that this device sent about the unit today. `told` takes what the
        caller is told about its limits.

        Raises MalformedCode, UnknownCode, ScanNotFound, RateLimited, IdempotencyConflict, Unavailable.
        """
        now = self._clock.now()
        report = Report(
            report_id=uuid7(),
            unit=await self._unit_of_code(code, device.address, told, credential)
            if verification_id is None
            else await self._unit_of_scan(verification_id, code),
            verification_id=verification_id,
            reason=reason,
            details=details.replace("\0", ""),  # PostgreSQL keeps no NUL
            device_hash=self._fingerprints.device(device, now.date()),
            address_hash=self._fingerprints.address(device.address, now.date()),
            request_id=request_id,
            reported_at=now,
        )
        for _ in range(_LOOKS):
            found = await storage.add(self._connection, report, most_per_address=self._most_per_address)
            if found.added:
                return TakenReport(report_id=report.report_id, already_reported=False)
            if found.earlier is not None:
                return _again(report, found.earlier)
            if found.reports_today >= self._most_per_address:
                raise RateLimited(
                    "too many reports came from this address today; come back later",
                    retry_after_seconds=_COME_BACK.total_seconds(),
                )
        raise ConcurrentUpdate

    async def _unit_of_scan(self, verification_id: UUID, code: str) -> ReportedUnit:
        """Return the unit that was scanned; the code, where there is one, must mean the same."""
        scanned = await storage.unit_of_scan(self._connection, verification_id)
        if scanned is None:
            raise ScanNotFound
        if code and unit_or_nobody(self._keys, code) != scanned.unit_id:
            raise InvalidArgument.of("verification_id", "names a scan of another code")
        return scanned

    async def _unit_of_code(
        self, code: str, address: str, told: MutableMapping[str, str], credential: str
    ) -> ReportedUnit:
        if not code:
            raise InvalidArgument.of("code", "give the verification_id of the scan, or the code")
        unit = await self._lookups.unit(code, address, told, credential=credential)
        return ReportedUnit(unit_id=unit.unit_id, batch_id=unit.batch.batch_id, tenant_id=unit.tenant_id)


def _again(report: Report, earlier: storage.EarlierReport) -> TakenReport:
    """Return the report that was there before."""
    same = (earlier.unit_id, earlier.reason, earlier.details) == (report.unit.unit_id, report.reason, report.details)
    if report.request_id is not None and earlier.request_id == report.request_id and not same:
        raise IdempotencyConflict
    return TakenReport(report_id=earlier.report_id, already_reported=True)
