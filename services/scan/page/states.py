"""The states of the page and what each looks like. Its words stand in `texts`."""

from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

from services.scan.model import Verdict


class PageState(Enum):
    """What a page can say."""

    AUTHENTIC = auto()
    WARNING = auto()
    HIGH_RISK = auto()
    RECALLED = auto()
    SUSPENDED = auto()
    BLOCKED = auto()
    EXPIRED = auto()
    UNKNOWN = auto()
    MALFORMED = auto()
    RATE_LIMITED = auto()
    DOWN = auto()
    REPORTED = auto()
    REPORT_INCOMPLETE = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """A state's colours, by CSS class, and its picture: the strokes of an SVG of 24 by 24."""

    tone: str
    strokes: str


OF_VERDICT = {verdict: PageState[verdict.name] for verdict in Verdict}

HTTP_STATUS = {
    PageState.UNKNOWN: HTTPStatus.NOT_FOUND,
    PageState.MALFORMED: HTTPStatus.BAD_REQUEST,
    PageState.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    PageState.DOWN: HTTPStatus.SERVICE_UNAVAILABLE,
    PageState.REPORT_INCOMPLETE: HTTPStatus.BAD_REQUEST,
}
"""The status of a page that is not OK. A verdict is an answer, whichever it is."""

_EXCLAMATION = "M12 6.5v7M12 17.2v.3"
LOOKS = {
    PageState.AUTHENTIC: Look("good", "M6.5 12.5l3.8 3.8 7.2-8"),
    PageState.WARNING: Look("caution", _EXCLAMATION),
    PageState.HIGH_RISK: Look("danger", _EXCLAMATION),
    PageState.RECALLED: Look("danger", "M10 7l-4 4 4 4M6 11h7.5a4 4 0 0 1 0 8H11"),
    PageState.SUSPENDED: Look("quiet", "M9.5 7.5v9M14.5 7.5v9"),
    PageState.BLOCKED: Look("danger", "M8 8l8 8M16 8l-8 8"),
    PageState.EXPIRED: Look("caution", "M12 6.5v6l3.6 2.2"),
    PageState.UNKNOWN: Look("danger", "M9 9.2a3 3 0 1 1 4.4 2.7c-.9.5-1.4 1-1.4 2.1M12 17.3v.2"),
    PageState.MALFORMED: Look("quiet", "M6.5 9.5v-3h3M14.5 6.5h3v3M17.5 14.5v3h-3M9.5 17.5h-3v-3M8.5 12h7"),
    PageState.RATE_LIMITED: Look("quiet", "M8.5 7h7M8.5 17h7M9.5 7c0 3 5 4 5 10M14.5 7c0 3-5 4-5 10"),
    PageState.DOWN: Look("quiet", "M8 12h.01M12 12h.01M16 12h.01"),
    PageState.REPORTED: Look("good", "M6.5 12.5l3.8 3.8 7.2-8"),
    PageState.REPORT_INCOMPLETE: Look("quiet", _EXCLAMATION),
}
