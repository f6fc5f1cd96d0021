"""A key in another process: anvil signs as one, and a liar in its place gets nothing past us."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from eth_account.signers.local import LocalAccount

from deploy.local.anvil import CHAIN_ID, Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_errors import SignerRefused, SignerUnavailable
from services.anchor.chain_types import Fees, SizedRoot
from services.anchor.remote_signer import RemoteSigner
from services.anchor.signer import FileSigner, TransactionFields
from services.anchor.transactions import fields_of
from tests.storage.anchor_chain.development import GWEI, STRANGER, WRITER, OpenChain, mined

ROOT = SizedRoot(b"\x01" * 32, 1)
Sign = Callable[[dict[str, Any]], Any]
TYPE_2 = fields_of(
    chain_id=CHAIN_ID, to=STRANGER.address, data=b"\x05" * 40, nonce=7, gas_limit=90_000, fees=Fees(9, 2)
)
LEGACY = fields_of(chain_id=CHAIN_ID, to=STRANGER.address, data=b"", nonce=0, gas_limit=90_000, fees=Fees(9, None))
CREATION = fields_of(chain_id=CHAIN_ID, to=None, data=b"\x60", nonce=300, gas_limit=90_000, fees=Fees(0, 0))


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A signer in place of the real one."""
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


def signer_of(sign: Sign) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answers `eth_signTransaction` with what `sign` makes of the request's transaction."""

    async def handler(request: web.Request) -> web.StreamResponse:
        question = await request.json()
        assert question["method"] == "eth_signTransaction"
        return web.json_response({"jsonrpc": "2.0", "id": question["id"], "result": sign(question["params"][0])})

    return handler


def signed(asked: dict[str, Any], by: LocalAccount = WRITER, **other: Any) -> str:
    """What an honest signer makes of a request, or a dishonest one that puts other values into it."""
    fields = {name: value for name, value in (asked | other).items() if name != "from"}
    return "0x" + bytes(by.sign_transaction(fields).raw_transaction).hex()


@pytest.fixture
async def at() -> AsyncIterator[Callable[[Sign], Awaitable[RemoteSigner]]]:
    """A client of a signer for the writer that signs as told."""
    async with AsyncExitStack() as stack:

        async def start(sign: Sign) -> RemoteSigner:
            url = await stack.enter_async_context(serving(signer_of(sign)))
            return RemoteSigner(url=url, address=WRITER.address.lower())

        yield start


At = Callable[[Sign], Awaitable[RemoteSigner]]


async def test_anvil_signs_for_its_own_account_and_the_root_is_anchored(
    anvil: Anvil, chain: EvmChain, open_chain: OpenChain
) -> None:
    remote = RemoteSigner(url=anvil.url, address=WRITER.address)
    writing = await open_chain(anvil.url, chain.contract_address, remote)
    made = await writing.sign_anchor([ROOT], nonce=0, fees=await writing.suggest_fees())
    await writing.broadcast(made.raw)
    assert (await mined(writing, made.tx_hash)).events[0].root == ROOT.root


@pytest.mark.parametrize("fields", [TYPE_2, LEGACY, CREATION])
@pytest.mark.parametrize("wrap", [lambda raw: raw, lambda raw: {"raw": raw, "tx": {}}])
async def test_what_it_signs_is_what_the_key_in_a_file_signs(
    at: At, writer: FileSigner, fields: TransactionFields, wrap: Callable[[str], Any]
) -> None:
    remote = await at(lambda asked: wrap(signed(asked)))
    assert remote.address == WRITER.address
    assert await remote.sign(fields) == await writer.sign(fields)


@pytest.mark.parametrize("fields", [TYPE_2, LEGACY])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("to", WRITER.address),
        ("value", "0x1"),
        ("nonce", "0x8"),
        ("gas", "0x1"),
        ("data", "0x06"),
        ("chainId", "0x1"),
    ],
)
async def test_another_transaction_than_was_asked_for_is_refused(
    at: At, fields: TransactionFields, name: str, value: str
) -> None:
    remote = await at(lambda asked: signed(asked, **{name: value}))
    with pytest.raises(SignerRefused, match=r"signed another transaction|signed for another chain"):
        await remote.sign(fields)


@pytest.mark.parametrize(
    ("fields", "other"),
    [
        (TYPE_2, {"maxFeePerGas": hex(900 * GWEI)}),
        (TYPE_2, {"maxPriorityFeePerGas": "0x3"}),
        (TYPE_2, {"accessList": [{"address": STRANGER.address, "storageKeys": []}]}),
        (LEGACY, {"gasPrice": hex(900 * GWEI)}),
    ],
)
async def test_other_fees_are_refused(at: At, fields: TransactionFields, other: dict[str, Any]) -> None:
    remote = await at(lambda asked: signed(asked, **other))
    with pytest.raises(SignerRefused, match="signed another transaction"):
        await remote.sign(fields)


async def test_a_signature_of_another_key_is_refused(at: At) -> None:
    remote = await at(lambda asked: signed(asked, by=STRANGER))
    with pytest.raises(SignerRefused, match=f"signed for {STRANGER.address}, not for {WRITER.address}"):
        await remote.sign(TYPE_2)


@pytest.mark.parametrize("answer", ["", "0x", "0x02", "0x02c0", "0xc0", "ключ", None, 5, {}, {"raw": None}, []])
async def test_what_is_no_transaction_is_refused(at: At, answer: object) -> None:
    remote = await at(lambda _: answer)
    with pytest.raises(SignerRefused):
        await remote.sign(TYPE_2)


async def test_a_signer_that_says_no_is_refused_with_its_words() -> None:
    async def refusing(_: web.Request) -> web.StreamResponse:
        return web.json_response({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "rule says no"}})

    async with serving(refusing) as url:
        with pytest.raises(SignerRefused, match="rule says no"):
            await RemoteSigner(url=url, address=WRITER.address).sign(TYPE_2)


@pytest.mark.parametrize(("status", "body"), [(503, ""), (429, ""), (200, "<html>"), (200, "[]")])
async def test_a_signer_that_is_away_or_none_is_unavailable(status: int, body: str) -> None:
    async def failing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body)

    async with serving(failing) as url:
        with pytest.raises(SignerUnavailable):
            await RemoteSigner(url=url, address=WRITER.address).sign(TYPE_2)


async def test_a_signer_that_is_down_is_unavailable_and_its_url_stays_secret(unused_tcp_port: int) -> None:
    remote = RemoteSigner(url=f"http://127.0.0.1:{unused_tcp_port}/secret", address=WRITER.address)
    with pytest.raises(SignerUnavailable) as caught:
        await remote.sign(TYPE_2)
    assert "secret" not in str(caught.value)
