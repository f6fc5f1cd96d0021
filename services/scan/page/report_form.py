"""The form of a report, and reading it back. It works without scripts, so it comes urlencoded and not as JSON."""

from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl
from uuid import UUID

from services.common.errors import InvalidArgument
from services.scan.page.texts import Texts

CONTENT_TYPE = "application/x-www-form-urlencoded"
REASONS = ("counterfeit", "damaged", "mismatch", "stolen", "other")
"""What a report may say, in the contract's words."""
LONGEST_DETAILS = 2000
_MOST_FIELDS = 16


@dataclass(frozen=True, slots=True)
class FilledForm:
    """What a person sent."""

    reason: str
    details: str
    verification_id: UUID | None
    screen_resolution: str
    timezone: str


def report_form(code: str, verification_id: UUID, texts: Texts) -> str:
    """Return the form, closed until somebody opens it. Only a choice is required."""
    choices = "".join(
        f'<label class="choice"><input type="radio" name="reason" value="{reason}" required>'
        f"<span>{escape(texts.report_reasons[reason])}</span></label>"
        for reason in REASONS
    )
    return (
        f"<section><details><summary>{escape(texts.report)}</summary>"
        f'<form method="post" action="/r/{escape(code)}/report">'
        f"<fieldset><legend>{escape(texts.report_question)}</legend>{choices}</fieldset>"
        f'<label class="label" for="details">{escape(texts.report_details)}</label>'
        f'<textarea id="details" name="details" rows="3" maxlength="{LONGEST_DETAILS}" '
        f'aria-describedby="privacy"></textarea><p class="note" id="privacy">{escape(texts.report_privacy)}</p>'
        f'<input type="hidden" name="verification_id" value="{verification_id}">'
        '<input type="hidden" name="screen_resolution"><input type="hidden" name="timezone">'
        f'<button class="button">{escape(texts.report_send)}</button></form></details></section>'
    )


def read_form(content_type: str, body: bytes) -> FilledForm:
    """Return what a form says; InvalidArgument when it is not one of ours, or not complete."""
    if content_type.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise InvalidArgument.of("form", f"must be {CONTENT_TYPE}")
    try:
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        named = fields.get("verification_id", "")
        verification_id = UUID(named) if named else None
    except ValueError as error:
        raise InvalidArgument.of("form", "cannot be read") from error
    details = fields.get("details", "").replace("\r\n", "\n").strip()
    if fields.get("reason") not in REASONS or len(details) > LONGEST_DETAILS:
        raise InvalidArgument.of("reason", "choose what is wrong")
    return FilledForm(
        reason=fields["reason"],
        details=details,
        verification_id=verification_id,
        screen_resolution=fields.get("screen_resolution", "")[:32],
        timezone=fields.get("timezone", "")[:64],
    )
