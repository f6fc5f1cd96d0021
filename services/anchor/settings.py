"""Anchor's settings: the server's, the worker's and the command line's."""

import json
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, FilePath, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.anchor.model import DRY, MAIN
from services.common.settings import ProcessSettings, ServerSettings, ServiceIdentity

_GWEI = 10**9
_CHAIN_NEEDS = ("chain_rpc_url", "chain_id", "contract_address")
_SIGNER = ("chain_key", "chain_key_password", "remote_signer_url", "remote_signer_address")
_OF_A_CHAIN = {
    *_CHAIN_NEEDS,
    *_SIGNER,
    *("genesis_hash", "fee_ceiling_gwei", "confirmations", "balance_floor_ether", "stuck_seconds", "poll_seconds"),
    *("aggregation_seconds", "max_roots_per_transaction", "max_bytes_per_transaction"),
}
"""What the file of further chains may say of one. One file serves the server, the worker and the command line."""
_NOTHING: dict[str, Any] = {
    "chain_rpc_url": "",
    "chain_id": 0,
    "contract_address": "",
    "genesis_hash": "",
    "more_chains": None,
    "chain_key": None,
    "chain_key_password": None,
    "remote_signer_url": "",
    "remote_signer_address": "",
}
"""What one chain never takes from another, said aloud so that the environment does not say otherwise."""


class ChainSettings(BaseSettings):
    """A process that talks to the chain."""

    model_config = SettingsConfigDict(env_prefix="VOKETAG_", frozen=True, extra="ignore", hide_input_in_errors=True)

    chain_name: str = Field(default=MAIN, pattern="^[a-z][a-z0-9-]{0,31}$")
    """Name of the chain that roots go to which ask for none. `dry` is no chain: a rehearsal that nothing proves."""
    chain_rpc_url: str = Field(default="", pattern="^(https?://[^,]+(,https?://[^,]+)*)?$")
    """JSON-RPC URLs of nodes of the chain, separated by commas, the preferred one first. What decides is asked of all.
    They may hold a provider's key, so they are never logged."""
    chain_id: int = Field(default=0, ge=0)
    """EIP-155 id of the chain; a node of another chain is refused."""
    genesis_hash: str = Field(default="", pattern="^(0x[0-9a-fA-F]{64})?$")
    """Hash of the chain's first block; a node of another chain is refused. Empty: the one that the worker met first."""
    fee_ceiling_gwei: float = Field(default=200, gt=0)
    """The most to offer for a unit of gas. Above it the worker waits."""
    more_chains: FilePath | None = None
    """JSON file of further chains: an object of settings by the chain's name, each an object of this table's chain
    settings in small letters without the prefix. What a chain does not say holds as it does for the first one."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [name for name in _CHAIN_NEEDS if name in type(self).model_fields and not getattr(self, name)]
        if missing and self.chain_name != DRY:
            raise ValueError(f"chain {self.chain_name} needs {', '.join(missing)}")
        self.chains()
        return self

    def chains(self) -> Sequence[Self]:
        """Return the settings of each chain, the first one's first. ValueError says what to repair in the file."""
        if self.more_chains is None:
            return [self]
        document = json.loads(self.more_chains.read_text())
        if not isinstance(document, dict) or not all(isinstance(told, dict) for told in document.values()):
            raise ValueError(f"{self.more_chains} is not an object of objects")
        found = [self, *(self._for_chain(name, told) for name, told in document.items())]
        for kind, values in (("name", [one.chain_name for one in found]), ("id", [one.chain_id for one in found])):
            if len(set(values)) != len(values):
                raise ValueError(f"two chains have the same {kind}: {', '.join(map(str, values))}")
        return found

    def _for_chain(self, name: str, told: dict[str, Any]) -> Self:
        if unknown := told.keys() - _OF_A_CHAIN:
            raise ValueError(f"chain {name}: {', '.join(sorted(unknown))} is no setting of a chain")
        inherited = self.model_dump(exclude={"more_chains", *_CHAIN_NEEDS, "genesis_hash"})
        mine = {key: value for key, value in told.items() if key in type(self).model_fields}
        if {
            "chain_key",
            "remote_signer_url",
        } & mine.keys():  # one's own signer instead of the first chain's, not beside
            inherited = {key: value for key, value in inherited.items() if key not in _SIGNER}
        return type(self)(**{**_NOTHING, **inherited, **mine, "chain_name": name})

    @property
    def fee_ceiling_wei(self) -> int:
        """The most to offer for a unit of gas."""
        return int(self.fee_ceiling_gwei * _GWEI)

    @property
    def chain_rpc_urls(self) -> Sequence[str]:
        """The nodes, the preferred one first."""
        return self.chain_rpc_url.split(",")


class RegistrySettings(ChainSettings):
    """A process that reads the registry contract."""

    contract_address: str = Field(default="", pattern="^(0x[0-9a-fA-F]{40})?$")
    """Address of AnchorRegistry, as `deploy-contract` printed it."""
    confirmations: int = Field(default=12, ge=1)
    """Blocks, the transaction's own included, after which a reorganisation is no longer expected. 1 or 2 locally."""


class Settings(ServerSettings, RegistrySettings):
    """What the server needs: it reads the chain and holds no key."""

    verify_per_minute: int = Field(default=60, ge=0)
    """Checks that one address (IPv4, or the /64 of an IPv6 one) may ask of this process in a minute; 0 is no limit."""
    verify_keep_seconds: float = Field(default=2, ge=0, le=60)
    """How long an answer of the chain serves those who ask the same; 0 asks the chain each time."""


class SignerSettings(BaseSettings):
    """A process that signs: with a key in a file, or by asking another process that holds it."""

    model_config = SettingsConfigDict(env_prefix="VOKETAG_", frozen=True, extra="ignore", hide_input_in_errors=True)

    chain_key: FilePath | None = None
    """Private key that signs and pays, 64 hex digits or an encrypted keystore (Web3 Secret Storage, version 3); the
    contract must know its address as a writer. Needed unless there is a remote signer."""
    chain_key_password: FilePath | None = None
    """File with the keystore's password."""
    remote_signer_url: str = Field(default="", pattern="^(https?://.+)?$")
    """JSON-RPC URL of a signer (`eth_signTransaction`: Web3Signer, clef) instead of a key in a file."""
    remote_signer_address: str = Field(default="", pattern="^(0x[0-9a-fA-F]{40})?$")
    """Address whose key the remote signer holds; a signature of another is refused."""

    @model_validator(mode="after")
    def _one_signer(self) -> Self:
        if self.chain_key is not None and self.remote_signer_url:
            raise ValueError("set either VOKETAG_CHAIN_KEY or VOKETAG_REMOTE_SIGNER_URL")
        if self.chain_key is None and not self.remote_signer_url and getattr(self, "chain_name", "") != DRY:
            raise ValueError("set VOKETAG_CHAIN_KEY or VOKETAG_REMOTE_SIGNER_URL")
        if (self.remote_signer_url == "") != (self.remote_signer_address == ""):
            raise ValueError("VOKETAG_REMOTE_SIGNER_URL and VOKETAG_REMOTE_SIGNER_ADDRESS go together")
        return self


class WorkerSettings(ProcessSettings, RegistrySettings, SignerSettings, ServiceIdentity):
    """What the worker needs."""

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
    balance_floor_ether: float = Field(default=0, ge=0)
    """Balance of the signing address, in whole coins of the chain, under which nothing new is signed: anchors wait."""

    @property
    def balance_floor_wei(self) -> int:
        """Balance under which nothing new is signed."""
        return int(self.balance_floor_ether * 10**18)


class DeploySettings(ChainSettings, SignerSettings):
    """What `deploy-contract` needs. Who signs pays, and becomes the contract's first owner and writer."""

    environment: Literal["production", "local"] = "production"
    """`local` allows a published development key."""
