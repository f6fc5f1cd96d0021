"""What a consumer does with the page, in a real browser on the whole stack: by touch, by keyboard, without scripts."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.local.stack import LocalStack
from tests.e2e.conftest import Issued
from tests.e2e.edge import UNKNOWN_CODE, Rest
from tests.e2e.faults import wait_until

pytest_plugins = ["tests.browser"]


@pytest.fixture
def page(browser: Browser) -> Page:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    return context.new_page()


def test_a_printed_code_opens_its_page(page: Page, issued: Issued, stack: LocalStack, screenshots: Path) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(issued.units[1].url)
    expect(page.locator("h1")).to_have_text("Genuine code")
    expect(page.get_by_text("Mountain coffee")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the proof").click()
    assert '"format":"voketag-receipt/v1"' in Path(download.value.path()).read_text().replace(": ", ":")
    page.screenshot(path=screenshots / "journey-authentic.png", full_page=True)
    assert complaints == []


def test_a_report_is_sent_by_keyboard_alone(page: Page, issued: Issued, stack: LocalStack) -> None:
    page.goto(issued.units[2].url)
    for _ in range(10):  # to the folded form, however many links come before it
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("the seal is broken")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Thank you for your report")
    said = stack.postgres.sql("SELECT reason || ': ' || details FROM scan.reports WHERE details LIKE 'the seal%'")
    assert said == "damaged: the seal is broken"
    events = "SELECT payload->>'details' FROM factory.outbox WHERE topic = 'unit.reported'"
    wait_until(
        "webhooks have something to tell", lambda: "the seal is broken" in stack.sql(events), seconds=15, every=0.2
    )


def test_without_scripts_everything_still_works(browser: Browser, issued: Issued) -> None:
    page = browser.new_context(java_script_enabled=False, locale="pt-BR").new_page()
    page.goto(issued.units[3].url)
    expect(page.locator("h1")).to_have_text("Código genuíno")
    expect(page.locator("[data-share]")).to_be_hidden()
    page.get_by_text("Relatar um problema").click()
    page.get_by_label("Outra coisa").check()
    page.get_by_role("button", name="Enviar o relato").click()
    expect(page.locator("h1")).to_have_text("Obrigado pelo seu relato")


def test_a_recall_and_a_guess_say_what_they_are(page: Page, partner: Rest, issued: Issued, stack: LocalStack) -> None:
    unit = issued.units[4]
    partner("POST", f"/v1/units/{unit.unit_id}/state", {"state": "UNIT_STATE_RECALLED"})
    page.goto(unit.url)
    expect(page.locator("h1")).to_have_text("Recalled by the maker")
    partner("POST", f"/v1/units/{unit.unit_id}/state", {"state": "UNIT_STATE_ACTIVE"})
    page.goto(f"{stack.credentials['edge_url']}/r/{UNKNOWN_CODE}")
    expect(page.locator("h1")).to_have_text("We do not know this code")
