"""Anchor's settings: the server's, the worker's and the command line's."""

from typing import Literal

from pydantic import Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import ProcessSettings, ServerSettings, ServiceIdentity

_GWEI = 10**9


class ChainSettings(BaseSettings):
    """A process that talks to the chain."""

    model_config = SettingsConfigDict(env_prefix="VOKETAG_", frozen=True, extra="ignore", hide_input_in_errors=True)

    chain_rpc_url: str = Field(pattern="^https?://")
    """JSON-RPC URL of a node. It may hold a provider's key, so it is never logged."""
    chain_id: int = Field(ge=1)
    """EIP-155 id of the chain; a node of another chain is refused."""
    fee_ceiling_gwei: float = Field(default=200, gt=0)
    """The most to offer for a unit of gas. Above it the worker waits."""

    @property
    def fee_ceiling_wei(self) -> int:
        """The most to offer for a unit of gas."""
        return int(self.fee_ceiling_gwei * _GWEI)


class RegistrySettings(ChainSettings):
    """A process that reads the registry contract."""

    contract_address: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    """Address of AnchorRegistry, as `deploy-contract` printed it."""
    confirmations: int = Field(default=12, ge=1)
    """Blocks, the transaction's own included, after which a reorganisation is no longer expected. 1 or 2 locally."""


class Settings(ServerSettings, RegistrySettings):
    """What the server needs: it reads the chain and holds no key."""


class WorkerSettings(ProcessSettings, RegistrySettings, ServiceIdentity):
    """What the worker needs."""

    chain_key: FilePath
    """Private key that signs and pays, 64 hex digits; the contract must know its address as a writer."""
    factory_address: str
    """Factory's gRPC address, `host:port`, for the outcomes."""
    aggregation_seconds: float = Field(default=1, ge=0)
    """How long a root waits for others to share its transaction. A full tree or an urgent root ends the wait."""
    max_roots_per_transaction: int = Field(default=10_000, ge=1, le=50_000)
    """Most roots under one anchor root. More costs nothing on the chain, and a second of the worker's time."""
    max_bytes_per_transaction: int = Field(default=1_048_576, ge=1)
    """Most bytes of leaf data under one anchor root; a batch's root has 56, a checkpoint's 62."""
    poll_seconds: float = Field(default=2, gt=0)
    """How often the chain is asked about transactions that are not settled. About half its time between blocks."""
    stuck_seconds: float = Field(default=120, gt=0)
    """Age at which a transaction that is in no block is replaced by one with higher fees."""


class DeploySettings(ChainSettings):
    """What `deploy-contract` needs."""

    environment: Literal["production", "local"] = "production"
    """`local` allows a published development key."""
    chain_key: FilePath
    """Private key that signs and pays, and becomes the contract's first owner and writer."""
