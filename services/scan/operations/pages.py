"""The consumer page: a scan, or a report, whose every outcome is a page.

A page is always a page, and its HTTP status says what programs want to know: monitors, crawlers and link previews take
whatever comes with 200 for a good answer.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from services.common.errors import InvalidArgument, MalformedCode, RateLimited, ScanNotFound, UnknownCode, VokeTagError
from services.common.logs import get_logger
from services.scan.language import Language, offered
from services.scan.model import Device
from services.scan.operations.reports import Reports
from services.scan.operations.scans import Scans
from services.scan.page import HTTP_STATUS, PageState, read_form, render_message, render_scan

_log = get_logger(__name__)

# The first that fits: a malformed code is an invalid argument, too.
_STATES: tuple[tuple[type[VokeTagError], PageState], ...] = (
    (MalformedCode, PageState.MALFORMED),
    (UnknownCode, PageState.UNKNOWN),
    (RateLimited, PageState.RATE_LIMITED),
    (InvalidArgument, PageState.REPORT_INCOMPLETE),
    (ScanNotFound, PageState.REPORT_INCOMPLETE),
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its HTML, its HTTP status, and in how many seconds to come back, 0 where waiting does not help."""

    html: str
    status: int = HTTPStatus.OK
    retry_after_seconds: float = 0


class Pages:
    """Opens pages."""

    def __init__(self, *, scans: Scans, reports: Reports) -> None:
        self._scans = scans
        self._reports = reports

    async def open(self, code: str, device: Device, language: Language, told: MutableMapping[str, str]) -> Page:
        """Return the page for a code: a person holding an item gets a page, never an error text."""
        try:
            scan = await self._scans.scan(code, device, told)
            return Page(render_scan(scan, code, offered(language, scan.facts.policy.languages)))
        except VokeTagError as error:
            return _problem(error, language)

    async def report(
        self,
        code: str,
        content_type: str,
        body: bytes,
        device: Device,
        language: Language,
        *,
        told: MutableMapping[str, str],
    ) -> Page:
        """Take the report in a form and return the page that thanks for it, or says why it was not taken."""
        try:
            form = read_form(content_type, body)
            await self._reports.report(
                code=code,
                verification_id=form.verification_id,
                reason=form.reason,
                details=form.details,
                device=replace(device, screen=form.screen_resolution, time_zone=form.timezone),
                request_id=None,
                told=told,
            )
        except VokeTagError as error:
            return _problem(error, language)
        return Page(render_message(PageState.REPORTED, language))


def _problem(error: VokeTagError, language: Language) -> Page:
    state = next((state for kind, state in _STATES if isinstance(error, kind)), PageState.DOWN)
    if state is PageState.DOWN:
        _log.warning("a page without a verdict", reason=error.reason)
    return Page(render_message(state, language), HTTP_STATUS[state], error.retry_after_seconds or 0)
