"""One method per RPC."""

from uuid import UUID

from google.api import httpbody_pb2

from services.common.credentials import credential_in
from services.common.rpc.call import Call
from services.scan import convert
from services.scan.operations.ledger import Ledger
from services.scan.operations.pages import Pages
from services.scan.operations.readiness import Readiness
from services.scan.operations.receipts import Receipts
from services.scan.operations.reports import Reports
from services.scan.operations.scans import Scans
from services.scan.statements import VerdictKeys
from voketag.scan.v1 import ledger_pb2, scan_pb2


class ScanServicer:
    """voketag.scan.v1.ScanService."""

    def __init__(
        self,
        *,
        scans: Scans,
        pages: Pages,
        receipts: Receipts,
        reports: Reports,
        ledger: Ledger,
        keys: VerdictKeys,
        readiness: Readiness,
    ) -> None:
        self._scans = scans
        self._pages = pages
        self._receipts = receipts
        self._reports = reports
        self._ledger = ledger
        self._keys = keys
        self._readiness = readiness

    async def scan(self, request: scan_pb2.ScanRequest, call: Call) -> scan_pb2.ScanResponse:
        """Give the verdict on a code."""
        device, credential = convert.device(call, request.device), credential_in(call.metadata)
        made = await self._scans.scan(request.code, device, call.answer_metadata, credential=credential)
        signed = self._keys.sign(made, request.code, made.event.scanned_at) if request.signed else ""
        return convert.scan_response(made, convert.language(call), signed)

    async def open_scan_page(self, request: scan_pb2.OpenScanPageRequest, call: Call) -> httpbody_pb2.HttpBody:
        """Show the page of a code."""
        page = await self._pages.open(request.code, convert.device(call), convert.language(call), call.answer_metadata)
        return convert.page(page, call)

    async def report_fraud(self, request: scan_pb2.ReportFraudRequest, call: Call) -> scan_pb2.ReportFraudResponse:
        """Take a report about an item."""
        credential = credential_in(call.metadata)
        report = convert.report(request, call)
        taken = await self._reports.report(**report, told=call.answer_metadata, credential=credential)
        return convert.report_response(taken, convert.language(call))

    async def submit_report_form(self, request: scan_pb2.SubmitReportFormRequest, call: Call) -> httpbody_pb2.HttpBody:
        """Take a report from the page's form."""
        form, device, language = request.form, convert.device(call), convert.language(call)
        page = await self._pages.report(
            request.code, form.content_type, form.data, device, language, told=call.answer_metadata
        )
        return convert.page(page, call)

    async def get_receipt(self, request: scan_pb2.GetReceiptRequest, call: Call) -> httpbody_pb2.HttpBody:
        """Return the receipt of a code."""
        address, credential = call.client_address, credential_in(call.metadata)
        made = await self._receipts.receipt(request.code, address, call.answer_metadata, credential=credential)
        return convert.receipt(made)

    async def get_jwks(self, _request: scan_pb2.GetJwksRequest, _call: Call) -> httpbody_pb2.HttpBody:
        """Return the public keys that sign verdicts."""
        return convert.jwks(self._keys.jwks)

    async def get_checkpoint(self, _request: ledger_pb2.GetCheckpointRequest, call: Call) -> httpbody_pb2.HttpBody:
        """Return the ledger's newest checkpoint."""
        return convert.log_file(await self._ledger.checkpoint(), call)

    async def get_entry_proof(self, request: ledger_pb2.GetEntryProofRequest, call: Call) -> httpbody_pb2.HttpBody:
        """Return the proof that a scan is in the ledger."""
        return convert.log_file(await self._ledger.proof(UUID(request.verification_id)), call)

    async def get_consistency_proof(
        self, request: ledger_pb2.GetConsistencyProofRequest, _call: Call
    ) -> ledger_pb2.ConsistencyProof:
        """Return the proof that one state of the ledger is a prefix of another."""
        return convert.consistency_proof(await self._ledger.consistency(getattr(request, "from"), request.to))

    async def get_tile(self, request: ledger_pb2.GetTileRequest, call: Call) -> httpbody_pb2.HttpBody:
        """Return a tile of the ledger's tree."""
        return convert.log_file(await self._ledger.tile(request.level, request.index, request.width), call)

    async def get_log_resource(self, request: ledger_pb2.GetLogResourceRequest, call: Call) -> httpbody_pb2.HttpBody:
        """Return a file of the tiled log."""
        return convert.log_file(await self._ledger.file(request.path), call)

    async def health(self, _request: scan_pb2.HealthRequest, _call: Call) -> scan_pb2.HealthResponse:
        """Say that the process is up."""
        return convert.health(self._readiness.parts())

    async def ready(self, _request: scan_pb2.ReadyRequest, _call: Call) -> scan_pb2.ReadyResponse:
        """Say that the process can answer scans."""
        await self._readiness.check()
        return scan_pb2.ReadyResponse(status="ready")
