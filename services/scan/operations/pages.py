"""The consumer page: a scan whose every outcome is a page.

The HTTP status stays 200 whatever a page says: people read the page, and a browser or a phone's scanner that shows its
own error instead of ours helps nobody. Programs ask `Scan`, whose status tells; metrics count what pages refused.
"""

from services.common.errors import MalformedCode, UnknownCode, VokeTagError
from services.common.logs import get_logger
from services.scan.language import Language
from services.scan.model import Device
from services.scan.operations.scans import Scans
from services.scan.page import PageState, render_problem, render_scan

_log = get_logger(__name__)


class Pages:
    """Opens pages."""

    def __init__(self, *, scans: Scans) -> None:
        self._scans = scans

    async def open(self, code: str, device: Device, language: Language) -> str:
        """Return the page for a code: a person holding an item gets a page, never an error text."""
        try:
            return render_scan(await self._scans.scan(code, device), code, language)
        except MalformedCode:
            return render_problem(PageState.MALFORMED, language)
        except UnknownCode:
            return render_problem(PageState.UNKNOWN, language)
        except VokeTagError as error:
            _log.warning("a page without a verdict", reason=error.reason)
            return render_problem(PageState.DOWN, language)
