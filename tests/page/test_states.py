"""Every state of the consumer page in a real browser: three languages, a small phone and a desk, light and dark.

The page's bytes are the production renderer's, served under one origin; what a stack has to do with it, the journeys of
`test_journeys.py` show.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize

from services.scan import risk
from services.scan.language import Language
from services.scan.model import (
    BatchFacts,
    ProductFacts,
    RecentHistory,
    Scan,
    ScanCount,
    ScanEvent,
    TenantPolicy,
    UnitFacts,
    UnitState,
)
from services.scan.page import PageState, render_message, render_scan
from services.scan.page.states import OF_VERDICT
from services.scan.page.texts import TEXTS

pytest_plugins = ["tests.browser"]

CODE = "AAGXVeoLPTTJ3dQ-a1eL"
ORIGIN = "https://verify.example"
PHONE, DESK = ViewportSize(width=320, height=640), ViewportSize(width=1280, height=800)
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SIZES = {"phone": PHONE, "desk": DESK}
VERDICTS = {state: verdict for verdict, state in OF_VERDICT.items()}


def html_of(state: PageState, language: Language, *, sandbox: bool = False) -> str:
    """Return a page as the server would make it, with long words and names in it."""
    if state not in VERDICTS:
        return render_message(state, language)
    unusual = state in {PageState.WARNING, PageState.HIGH_RISK}
    factors = (risk.RAPID_SCANS, risk.HIGH_FREQUENCY, risk.UNUSUAL_REPETITION) if unusual else ()
    nobody = UUID(int=0)
    event = ScanEvent(
        verification_id=UUID("0197a1b2-0000-7000-8000-000000000000"),
        unit_id=1,
        batch_id=nobody,
        scanned_at=NOW,
        verdict=VERDICTS[state],
        risk_score=80 if unusual else 0,
        risk_factors=factors,
        country="BR",
        device_hash=b"",
        address_hash=b"",
        degraded=unusual,
        tenant_id=nobody,
        product_id=nobody,
        cell="",
        duplicate=False,
    )
    facts = UnitFacts(
        unit_id=1,
        tenant_id=nobody,
        serial="SN-0123456789ABCDEFGH",
        state=UnitState.ACTIVE,
        state_reason=0,
        batch=BatchFacts(
            batch_id=nobody,
            lot="LOTE-2026-11-SUPERLONGO-0001",
            manufactured_at=date(2026, 1, 31),
            expires_at=date(2027, 12, 31),
            sandbox=sandbox,
        ),
        product=ProductFacts(
            product_id=nobody,
            name="Azeite de Oliva Extra Virgem da Serra da Mantiqueira 500 ml",
            gtin="07891000315507",
            category="Alimentos",
            image_url="",
        ),
        policy=TenantPolicy(warning_above=40, high_risk_above=70, disabled_factors=frozenset(), languages=()),
        known_scans=3,
    )
    history = RecentHistory(total=12, recent=5, rapid_sessions=3, recent_sessions=5, devices=5)
    scan = Scan(event=event, facts=facts, history=history, count=ScanCount(total=12, first_scan_at=NOW))
    return render_scan(scan, CODE, language)


_AXE = Axe().axe_script
_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# Only what is asked for crosses to Python: everything that axe found takes longer to get there than to find.
_CHECK = """async rules => {
    const found = await axe.run(rules)
    const told = each => `${each.id}: ${each.nodes.map(node => node.html).join(" ")}`
    return {passed: found.passes.length, violations: found.violations.map(told)}
}"""


class Screen:
    """A window that holds what it shows to what every page keeps: no complaint, nothing asked of anybody else."""

    def __init__(self, browser: Browser, size: ViewportSize, *, dark: bool = False) -> None:
        self._context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light")
        self._page = self._context.new_page()
        self._html = ""
        self._complaints: list[str] = []
        self._asked: list[str] = []
        self._page.on("console", lambda message: self._complain(message.text) if message.type == "error" else None)
        self._page.on("pageerror", lambda error: self._complain(str(error)))
        self._page.on("request", lambda request: self._asked.append(request.url))
        self._page.route(
            f"{ORIGIN}/**", lambda route: route.fulfill(body=self._html, content_type="text/html; charset=utf-8")
        )

    @contextmanager
    def show(self, html: str) -> Iterator[Page]:
        """Open a page, and judge it when its test has done with it."""
        self._html = html
        self._complaints.clear()
        self._asked.clear()
        self._page.goto(f"{ORIGIN}/r/{CODE}")
        yield self._page
        assert self._complaints == []
        assert [url for url in self._asked if not url.startswith("data:")] == [f"{ORIGIN}/r/{CODE}"]

    def close(self) -> None:
        self._context.close()

    def _complain(self, complaint: str) -> None:
        self._complaints.append(complaint)


@pytest.fixture(scope="module")
def screens(browser: Browser) -> Iterator[dict[str, Screen]]:
    """A phone, a desk, and a phone in the dark."""
    made = {name: Screen(browser, size) for name, size in SIZES.items()} | {"dark": Screen(browser, PHONE, dark=True)}
    yield made
    for screen in made.values():
        screen.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", PageState, ids=lambda state: state.name.lower())
def test_a_state_reads_well_in_every_language(
    screens: dict[str, Screen], screenshots: Path, state: PageState, size: str
) -> None:
    for language in Language:
        with screens[size].show(html_of(state, language)) as page:
            assert page.locator("h1").inner_text() == TEXTS[language].titles[state]
            assert page.locator("html").get_attribute("lang") == language.value
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
            for form in page.locator("summary").all():
                form.click()  # what is folded away is held to the same rules
            if size == "phone" or language is Language.ENGLISH:
                assert _violations(page) == []
            page.screenshot(path=screenshots / f"{state.name.lower()}-{language.value}-{size}.png", full_page=True)


@pytest.mark.parametrize("state", PageState, ids=lambda state: state.name.lower())
def test_a_state_reads_well_in_the_dark(screens: dict[str, Screen], screenshots: Path, state: PageState) -> None:
    with screens["dark"].show(html_of(state, Language.ENGLISH, sandbox=True)) as page:
        assert _violations(page) == []
        page.screenshot(path=screenshots / f"{state.name.lower()}-dark.png", full_page=True)


@pytest.mark.parametrize("state", PageState, ids=lambda state: state.name.lower())
def test_a_page_is_under_30_kilobytes(state: PageState) -> None:
    assert max(len(html_of(state, language).encode()) for language in Language) < 30_000


def test_a_trial_says_that_it_is_one(screens: dict[str, Screen]) -> None:
    with screens["phone"].show(html_of(PageState.AUTHENTIC, Language.ENGLISH, sandbox=True)) as page:
        assert "Trial code" in page.locator(".trial").inner_text()


def _violations(page: Page) -> list[str]:
    page.evaluate(_AXE)
    found = page.evaluate(_CHECK, _RULES)
    assert found["passed"]  # the rules ran
    violations: list[str] = found["violations"]
    return violations
