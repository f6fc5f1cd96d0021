"""Makes the clients of a chain from its settings: one for each node, and what stands for all of them."""

from services.anchor.chain import EvmChain, EvmReader
from services.anchor.failover import NodesChain, NodesReader
from services.anchor.node import open_rpc
from services.anchor.settings import RegistrySettings, WorkerSettings
from services.anchor.signers import open_signer
from services.common.clock import Clock


async def open_reader(settings: RegistrySettings, *, clock: Clock) -> NodesReader[EvmReader]:
    """Return a client that reads; asks nothing yet."""
    readers = [
        EvmReader(
            rpc=await open_rpc(url),
            chain_id=settings.chain_id,
            fee_ceiling_wei=settings.fee_ceiling_wei,
            contract_address=settings.contract_address,
            genesis_hash=settings.genesis_hash,
        )
        for url in settings.chain_rpc_urls
    ]
    return NodesReader(readers, name=settings.chain_name, clock=clock)


async def open_chain(settings: WorkerSettings, *, clock: Clock) -> NodesChain:
    """Return a client that also writes; asks nothing yet. ValueError when the key is not fit."""
    signer = open_signer(settings, local=settings.environment == "local")
    chains = [
        EvmChain(
            rpc=await open_rpc(url),
            chain_id=settings.chain_id,
            fee_ceiling_wei=settings.fee_ceiling_wei,
            contract_address=settings.contract_address,
            genesis_hash=settings.genesis_hash,
            signer=signer,
        )
        for url in settings.chain_rpc_urls
    ]
    return NodesChain(chains, name=settings.chain_name, clock=clock)
