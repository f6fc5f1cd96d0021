"""A real anvil per test run, emptied before each test, and the registry contract on it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.anvil import CHAIN_ID, Anvil
from services.anchor.chain import EvmChain
from services.anchor.contract.deploy import Deployment, deploy
from services.anchor.node import EvmNode, open_rpc
from services.anchor.signer import FileSigner, Signer
from tests.storage.anchor_chain.development import CEILING_WEI, OWNER, WRITER, OpenChain, empty, write_key


@pytest.fixture(scope="session")
def anvil_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    """One anvil for the whole run; tests take `anvil`."""
    with Anvil(tmp_path_factory.mktemp("chain"), block_seconds=None) as anvil:
        yield anvil


@pytest.fixture
def anvil(anvil_process: Anvil) -> Anvil:
    """An empty chain that mines a block per transaction."""
    empty(anvil_process)
    return anvil_process


@pytest.fixture
def owner(tmp_path: Path) -> FileSigner:
    """Signs for the contract's owner, who also deploys it."""
    return FileSigner(write_key(tmp_path, OWNER))


@pytest.fixture
def writer(tmp_path: Path) -> FileSigner:
    """Signs for the contract's first writer."""
    return FileSigner(write_key(tmp_path, WRITER))


@pytest.fixture
async def node(anvil: Anvil) -> AsyncIterator[EvmNode]:
    node = EvmNode(rpc=await open_rpc(anvil.url), chain_id=CHAIN_ID, fee_ceiling_wei=CEILING_WEI)
    yield node
    await node.aclose()


@pytest.fixture
async def deployment(node: EvmNode, owner: FileSigner) -> Deployment:
    """The contract, deployed by its owner, for one writer."""
    return await deploy(node=node, signer=owner, writer=WRITER.address)


@pytest.fixture
async def open_chain() -> AsyncIterator[OpenChain]:
    """Make chain clients that are closed after the test."""
    chains: list[EvmChain] = []

    async def start(
        url: str,
        contract_address: str,
        signer: Signer,
        *,
        chain_id: int = CHAIN_ID,
        timeout_seconds: float = 10,
        genesis_hash: str = "",
    ) -> EvmChain:
        chain = EvmChain(
            rpc=await open_rpc(url, timeout_seconds=timeout_seconds),
            chain_id=chain_id,
            fee_ceiling_wei=CEILING_WEI,
            contract_address=contract_address,
            signer=signer,
            genesis_hash=genesis_hash,
        )
        chains.append(chain)
        return chain

    yield start
    for chain in chains:
        await chain.aclose()


@pytest.fixture
async def chain(anvil: Anvil, deployment: Deployment, writer: FileSigner, open_chain: OpenChain) -> EvmChain:
    """The deployed contract, as its writer sees it."""
    return await open_chain(anvil.url, deployment.contract_address, writer)
