"""The consumer page through the production server: always a page, in the reader's language, with nothing technical."""

import asyncio
import base64
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from tests.rpc.scan.clients import TRANSPORTS, Consumer
from tests.rpc.scan.registry import Registry


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    return str(request.param)


async def test_a_page_is_a_scan(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    page = await consumer.page(code)
    [row] = await registry.sql("SELECT verification_id FROM scan.scan_events")
    assert str(row["verification_id"]) in page
    for shown in (
        "Genuine code",
        "you are the first to check it",
        "Olive oil",
        "Food",
        "L-7",
        "S000000",
        "31 Jan 2026",
    ):
        assert shown in page
    assert f'href="/v1/scan/{code}/receipt"' in page


@pytest.mark.parametrize(
    ("state", "title"),
    [(2, "Suspended for now"), (3, "Recalled by the maker"), (4, "Blocked by the maker")],
)
async def test_the_makers_word_is_the_title(consumer: Consumer, registry: Registry, state: int, title: str) -> None:
    code = (await registry.issue()).codes[0]
    await registry.sql("UPDATE factory.units SET state = $1", state)
    assert f"<h1>{title}</h1>" in await consumer.page(code)


async def test_an_expired_unit_says_so(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue(expires_at=datetime.now(UTC).date() - timedelta(days=1))).codes[0]
    assert "<h1>Past its expiry date</h1>" in await consumer.page(code)


async def test_a_burst_shows_the_reasons(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    pages = [await consumer.using(address=f"198.51.100.{device}").page(code) for device in range(11)]
    assert "<h1>Genuine code, unusual checks</h1>" in pages[4]
    assert "3 devices or more began to check the code within half a minute." in pages[4]
    assert "<h1>This may be a copy</h1>" in pages[10]


@pytest.mark.parametrize("code", ["no-code", "", "<script>alert(1)</script>", "%00"])
async def test_a_malformed_code_is_a_page_too(consumer: Consumer, code: str) -> None:
    page = await consumer.page(code)
    assert "<h1>This code cannot be read</h1>" in page
    assert page.count("<script") == 1  # ours
    assert "alert(1)" not in page


async def test_an_unknown_code_is_a_page_too(consumer: Consumer, registry: Registry) -> None:
    assert "<h1>We do not know this code</h1>" in await consumer.page(registry.never_issued())


async def test_a_page_names_its_http_status(consumer: Consumer, registry: Registry) -> None:
    codes = {"404": registry.never_issued(), "400": "no-code", "200": (await registry.issue()).codes[0]}
    told = {status: (await consumer.page_metadata(code)).get("x-page-status", "200") for status, code in codes.items()}
    assert told == {"404": "404", "400": "400", "200": "200"}


@pytest.mark.parametrize(
    ("language", "tag", "words"),
    [
        ("pt-BR", "pt-BR", ("Código genuíno", "Lote", "Número de série", "31 jan. 2026")),
        ("es", "es", ("Código genuino", "Lote", "Número de serie", "31 ene. 2026")),
        ("en-GB", "en", ("Genuine code", "Lot", "Serial number", "31 Jan 2026")),
    ],
)
async def test_the_page_speaks_the_readers_language(
    consumer: Consumer, registry: Registry, language: str, tag: str, words: tuple[str, ...]
) -> None:
    code = (await registry.issue()).codes[0]
    page = await consumer.using(language=language).page(code)
    assert f'<html lang="{tag}">' in page
    for word in words:
        assert word in page


async def test_a_page_is_in_a_language_that_the_tenant_offers(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    await registry.sql("UPDATE factory.tenant_settings SET languages = '{pt-BR,es}'")
    assert '<html lang="pt-BR"' in await consumer.page(code)
    await registry.sql("UPDATE factory.tenant_settings SET languages = '{es}'")
    await asyncio.sleep(1.1)
    assert '<html lang="es"' in await consumer.page(code)


async def test_what_the_maker_wrote_cannot_become_markup(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue(name="<img src=x onerror=alert(1)>\"'&")).codes[0]
    page = await consumer.page(code)
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;" in page


async def test_a_page_is_small_and_whole_and_lets_in_only_its_own_style(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    page = await consumer.page(code)
    assert len(page.encode()) < 30_000
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    script_digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    assert policy.split("; ")[:3] == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        f"script-src 'sha256-{script_digest}'",
    ]
    assert "unsafe" not in policy
    links = re.findall(r'(?:href|src|action)="([^"]*)"', page)
    assert [link for link in links if not link.startswith(("data:", "/v1/", "/r/"))] == []
    assert " style=" not in page


async def test_many_pages_at_once_are_many_scans(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    await asyncio.gather(*(consumer.page(code) for _ in range(30)))
    [row] = await registry.sql("SELECT total_scans FROM scan.unit_scans")
    assert row["total_scans"] == 30
