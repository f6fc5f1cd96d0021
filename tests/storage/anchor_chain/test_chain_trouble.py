"""Nodes that are down, slow, wrong or talk nonsense: every failure is typed and gives no URL away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from traceback import format_exception

import pytest
from aiohttp import web

from deploy.local.anvil import Anvil, program
from deploy.local.free_ports import take_port
from deploy.local.ports import answers
from deploy.local.process import Process
from services.anchor.chain import EvmChain
from services.anchor.chain_errors import ChainRefused, WrongChain
from services.anchor.chain_types import Broadcast, SizedRoot
from services.anchor.contract.deploy import Deployment, deploy
from services.anchor.node import EvmNode, open_rpc
from services.anchor.signer import FileSigner
from services.common.errors import ChainUnavailable
from tests.storage.anchor_chain.development import STRANGER, OpenChain, empty, mined

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]
ChainAt = Callable[[str], Awaitable[EvmChain]]
ROOT = SizedRoot(b"\x01" * 32, 1)
SECRET_PATH = "/v3/provider-api-key"


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start an HTTP server that answers in place of a node; gives the URL, which holds a secret."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_post(SECRET_PATH, handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}{SECRET_PATH}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def assert_unavailable(chain: EvmChain) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        chain.head,
        chain.mined_nonce,
        chain.pending_nonce,
        chain.balance,
        chain.suggest_fees,
        chain.check,
        lambda: chain.receipt("0x" + "11" * 32),
        lambda: chain.transaction("0x" + "11" * 32),
        lambda: chain.block_hash(1),
        lambda: chain.anchored_at(b"\x01" * 32),
        lambda: chain.find_anchored(b"\x01" * 32),
        lambda: chain.estimate_anchor([ROOT]),
        lambda: chain.broadcast(b"\x02"),
    ]
    for call in calls:
        with pytest.raises(ChainUnavailable) as caught:
            await call()
        assert not isinstance(caught.value, WrongChain)
        assert "provider-api-key" not in "".join(format_exception(caught.value))


@pytest.fixture
async def chain_at(open_chain: OpenChain, writer: FileSigner) -> ChainAt:
    """A client of a node that may not be one, with little patience."""

    async def start(url: str) -> EvmChain:
        return await open_chain(url, STRANGER.address, writer, timeout_seconds=0.3)

    return start


async def test_a_node_that_is_down_is_unavailable(chain_at: ChainAt, unused_tcp_port: int) -> None:
    await assert_unavailable(await chain_at(f"http://127.0.0.1:{unused_tcp_port}{SECRET_PATH}"))


async def test_a_node_that_never_answers_is_unavailable(serve: Serve, chain_at: ChainAt) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    await assert_unavailable(await chain_at(await serve(silent)))


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_http_errors_are_unavailable_and_keep_the_url_secret(
    serve: Serve, chain_at: ChainAt, status: int
) -> None:
    async def failing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    await assert_unavailable(await chain_at(await serve(failing)))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>sign in to the hotel's network</html>",
        "[]",
        "null",
        "{}",
        '{"jsonrpc": "2.0", "id": 1}',
        '{"jsonrpc": "2.0", "id": 1, "result": "no number"}',
        '{"jsonrpc": "2.0", "id": 1, "result": {"hash": "0x1"}}',
        '{"jsonrpc": "2.0", "id": 1, "result": [1]}',
        '{"jsonrpc": "2.0", "id": 1, "error": "no"}',
        '{"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "daily request count exceeded"}}',
        '{"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "Internal error"}}',
    ],
)
async def test_nonsense_and_busy_answers_are_unavailable(serve: Serve, chain_at: ChainAt, body: str) -> None:
    async def babbling(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, content_type="application/json")

    await assert_unavailable(await chain_at(await serve(babbling)))


async def test_a_node_that_hangs_up_is_unavailable(serve: Serve, chain_at: ChainAt) -> None:
    async def hanging_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    await assert_unavailable(await chain_at(await serve(hanging_up)))


async def test_an_answer_about_another_transaction_is_not_believed(
    serve: Serve, chain_at: ChainAt, chain: EvmChain, anvil: Anvil
) -> None:
    signed = await chain.sign_anchor([ROOT], nonce=0, fees=await chain.suggest_fees())
    await chain.broadcast(signed.raw)
    await mined(chain, signed.tx_hash)
    true_receipt = anvil.call("eth_getTransactionReceipt", signed.tx_hash)

    async def lying(_: web.Request) -> web.StreamResponse:
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": true_receipt})

    lied_to = await chain_at(await serve(lying))
    assert await lied_to.receipt(signed.tx_hash) is not None
    with pytest.raises(ChainUnavailable, match="another transaction"):
        await lied_to.receipt("0x" + "11" * 32)


async def test_an_acceptance_of_another_transaction_is_not_believed(
    serve: Serve, chain_at: ChainAt, chain: EvmChain
) -> None:
    async def lying(_: web.Request) -> web.StreamResponse:
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": "0x" + "11" * 32})

    signed = await chain.sign_anchor([ROOT], nonce=0, fees=await chain.suggest_fees())
    lied_to = await chain_at(await serve(lying))
    with pytest.raises(ChainUnavailable, match="another transaction"):
        await lied_to.broadcast(signed.raw)


async def test_a_node_of_another_chain_is_refused(
    anvil: Anvil, deployment: Deployment, writer: FileSigner, open_chain: OpenChain
) -> None:
    chain = await open_chain(anvil.url, deployment.contract_address, writer, chain_id=1)
    with pytest.raises(WrongChain, match="of chain 31337, not 1"):
        await chain.check()


async def test_an_address_without_the_contract_is_refused(anvil: Anvil, chain_at: ChainAt) -> None:
    chain = await chain_at(anvil.url)
    with pytest.raises(WrongChain, match="no AnchorRegistry"):
        await chain.check()
    with pytest.raises(WrongChain, match="no contract answers"):
        await chain.anchored_at(b"\x01" * 32)


async def test_a_contract_with_other_code_is_refused(chain: EvmChain, anvil: Anvil) -> None:
    await chain.check()
    anvil.call("anvil_setCode", chain.contract_address, "0x60016000526001601ff3")
    with pytest.raises(WrongChain):
        await chain.check()


async def test_a_chain_that_restarted_empty_is_noticed(chain: EvmChain, anvil: Anvil) -> None:
    await chain.check()
    empty(anvil)
    with pytest.raises(WrongChain):
        await chain.check()


async def test_bytes_that_are_no_transaction_are_refused(chain: EvmChain) -> None:
    with pytest.raises(ChainRefused):
        await chain.broadcast(b"\x02\x01")


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1", "127.0.0.1:8545", "", "node.ipc"])
async def test_only_http_urls_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        await open_rpc(url)


async def test_a_bare_node_reads_receipts_without_events(node: EvmNode, deployment: Deployment) -> None:
    receipt = await node.receipt(deployment.tx_hash)
    assert receipt is not None
    assert (receipt.contract_address, receipt.events) == (deployment.contract_address, ())


async def test_a_transaction_signed_before_the_node_went_away_goes_out_when_it_is_back(
    tmp_path: Path, writer: FileSigner, open_chain: OpenChain
) -> None:
    with Anvil(tmp_path, block_seconds=None) as anvil:
        node = await open_chain(anvil.url, STRANGER.address, writer)
        made = await deploy(node=node, signer=writer)
        chain = await open_chain(anvil.url, made.contract_address, writer)
        signed = await chain.sign_anchor([ROOT], nonce=1, fees=await chain.suggest_fees())
        anvil.stop()
        with pytest.raises(ChainUnavailable):
            await chain.broadcast(signed.raw)
        anvil.start()
        await chain.check()
        assert await chain.broadcast(signed.raw) is Broadcast.ACCEPTED
        assert (await mined(chain, signed.tx_hash)).events[0].root == ROOT.root


async def test_a_chain_without_a_base_fee_takes_legacy_transactions(
    tmp_path: Path, writer: FileSigner, open_chain: OpenChain
) -> None:
    port = take_port()
    url = f"http://127.0.0.1:{port}"
    anvil = Process(
        name="anvil before EIP-1559",
        command=[program(), "--host", "127.0.0.1", "--port", str(port), "--hardfork", "istanbul"],
        log_file=tmp_path / "anvil.log",
        ready=lambda: answers(port),
        environment={"HOME": str(tmp_path)},
    )
    anvil.launch()
    try:
        anvil.wait_ready()
        node = await open_chain(url, STRANGER.address, writer)
        made = await deploy(node=node, signer=writer)
        chain = await open_chain(url, made.contract_address, writer)
        assert (await chain.head()).base_fee_wei is None
        fees = await chain.suggest_fees()
        assert fees.priority_wei is None
        signed = await chain.sign_anchor([ROOT], nonce=1, fees=fees)
        assert signed.raw[0] >= 0xC0  # a bare RLP list: legacy, no type byte (EIP-2718)
        await chain.broadcast(signed.raw)
        assert (await mined(chain, signed.tx_hash)).events[0].root == ROOT.root
    finally:
        anvil.stop()
