"""Makes the page. Everything that comes from outside passes through `escape`."""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from html import escape

from services.scan.language import Language
from services.scan.messages import message_of, reason_of
from services.scan.model import Scan, Verdict
from services.scan.page.report_form import report_form
from services.scan.page.states import LOOKS, OF_VERDICT, PageState
from services.scan.page.style import POLICY, SCRIPT, SHEET
from services.scan.page.texts import TEXTS, Texts

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Ccircle cx='12' cy='12' "
    "r='11' fill='%230f6446'/%3E%3Cpath d='M6.5 12.5l3.8 3.8 7.2-8' fill='none' stroke='white' stroke-width='2.4'/%3E"
    "%3C/svg%3E"
)
_MARK = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><rect x="2" y="2" width="20" height="20" rx="6" fill="currentColor"/>'
    '<path d="M7 12.4l3.4 3.4L17 9" fill="none" stroke="var(--ground)" stroke-width="2.4" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)


def render_scan(scan: Scan, code: str, language: Language) -> str:
    """Return the page of a scan. `code` is the code that was scanned: well-formed, as its unit was found."""
    texts, state = TEXTS[language], OF_VERDICT[scan.event.verdict]
    reasons = [reason_of(factor, language) for factor in scan.event.risk_factors]
    item = [_product(scan, texts), _history(scan, texts)]
    concern = [
        _section(texts.reasons, _list(reasons)) if reasons else "",
        _section(texts.what_to_do, _list(texts.advice[state])),
    ]
    # When something is wrong, what it is and what to do come first.
    order = item + concern if state is PageState.AUTHENTIC else concern + item
    trial = f'<p class="trial">{escape(texts.sandbox)}</p>' if scan.facts.batch.sandbox else ""
    form = report_form(code, scan.event.verification_id, texts)
    body = [trial, _verdict(state, texts, message_of(scan, language)), *order, _proof(code, texts), form]
    number = f"{escape(texts.number)} {scan.event.verification_id}"
    when = f"{_day(scan.event.scanned_at.date(), texts)}, {scan.event.scanned_at:%H:%M} UTC"
    footer = f"<p>{number}<br>{escape(when)}</p><p>{escape(texts.privacy)}</p>"
    return _document(
        title=f"{texts.titles[state]} · {scan.facts.product.name}",
        state=state,
        body="".join(body),
        footer=footer,
        language=language,
    )


@lru_cache
def advice_of(verdict: Verdict, language: Language) -> str:
    """Return what the consumer can do, as the page says it, in one text."""
    return " ".join(TEXTS[language].advice[OF_VERDICT[verdict]])


def render_message(state: PageState, language: Language) -> str:
    """Return a page without a verdict: the code is unknown or malformed, nobody could say, or a report was taken."""
    texts = TEXTS[language]
    body = _verdict(state, texts, texts.messages[state]) + _section(texts.what_to_do, _list(texts.advice[state]))
    return _document(title=texts.titles[state], state=state, body=body, footer="", language=language)


def _document(*, title: str, state: PageState, body: str, footer: str, language: Language) -> str:
    return (
        f'<!doctype html><html lang="{language.value}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">'
        '<meta name="referrer" content="no-referrer">'
        f'<title>{escape(title)}</title><link rel="icon" href="{_ICON}"><style>{SHEET}</style></head>'
        f'<body class="{LOOKS[state].tone}"><header class="brand">{_MARK}VokeTag</header>'
        f"<main>{body}</main><footer>{footer}</footer><script>{SCRIPT}</script></body></html>"
    )


def _verdict(state: PageState, texts: Texts, message: str) -> str:
    return (
        '<div class="verdict" role="status"><svg class="seal" viewBox="0 0 24 24" aria-hidden="true">'
        '<circle class="ring" cx="12" cy="12" r="11.5"/><circle cx="12" cy="12" r="10"/>'
        f'<path d="{LOOKS[state].strokes}"/></svg>'
        f"<h1>{escape(texts.titles[state])}</h1><p>{escape(message)}</p></div>"
    )


def _product(scan: Scan, texts: Texts) -> str:
    product, batch = scan.facts.product, scan.facts.batch
    kind = f'<p class="kind">{escape(product.category)}</p>' if product.category else ""
    facts = [
        (texts.lot, batch.lot),
        (texts.serial, scan.facts.serial),
        (texts.manufactured, _day(batch.manufactured_at, texts)),
        (texts.expires, _day(batch.expires_at, texts)),
        (texts.gtin, product.gtin),
    ]
    return _section(texts.product, f'<p class="name">{escape(product.name)}</p>{kind}<dl>{_terms(facts)}</dl>')


def _history(scan: Scan, texts: Texts) -> str:
    figures = [
        (texts.checks, f"{scan.count.total}"),
        (texts.recent, f"{scan.history.recent}"),
        (texts.first_check, _day(scan.count.first_scan_at.date(), texts)),
    ]
    note = f'<p class="note">{escape(texts.incomplete)}</p>' if scan.event.degraded else ""
    return _section(texts.history, f"<dl>{_terms(figures)}</dl>{note}")


def _proof(code: str, texts: Texts) -> str:
    link = f'<a class="button" href="/v1/scan/{escape(code)}/receipt" download="voketag-{escape(code)}.json">'
    share = f'<button class="button" type="button" data-share hidden>{escape(texts.share)}</button>'
    actions = f'<div class="actions">{link}{escape(texts.proof_link)}</a>{share}</div>'
    return _section(texts.proof, f'<p class="note">{escape(texts.proof_text)}</p>{actions}')


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _list(items: Sequence[str]) -> str:
    if len(items) == 1:
        return f"<p>{escape(items[0])}</p>"
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _terms(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in pairs if text)


def _day(day: date | None, texts: Texts) -> str:
    if day is None:
        return ""
    return texts.day.format(day=day.day, month=texts.months[day.month - 1], year=day.year)
