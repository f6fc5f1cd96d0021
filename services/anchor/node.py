"""One JSON-RPC node of an EVM chain. The only module that imports web3.

Keeps no state beyond its connections, retries nothing and waits for no block: every call is one or a few requests with
a time limit, and what to do about an answer is the caller's business.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from aiohttp import ClientError, ClientResponseError, ClientSession, ClientTimeout, TCPConnector
from eth_typing import BlockNumber, HexStr
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import (
    BadResponseFormat,
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3RPCError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import BlockIdentifier, FilterParams, TxParams, TxReceipt

from services.anchor.chain_errors import (
    ContractReverted,
    FeeAboveCeiling,
    WrongChain,
    refusal,
    says_already_known,
    says_nonce_used,
    says_underpriced,
)
from services.anchor.chain_types import (
    AnchoredEvent,
    Broadcast,
    ChainTransaction,
    Fees,
    Head,
    TransactionReceipt,
)
from services.common.errors import ChainUnavailable

KEEPALIVE_SECONDS = 5  # below any server's own limit, else a request may meet a connection that was just closed


Rpc = AsyncHTTPProvider
"""Connections to one JSON-RPC URL, made by `open_rpc`."""


class EvmNode:
    """One JSON-RPC node over HTTP."""

    def __init__(self, *, rpc: Rpc, chain_id: int, fee_ceiling_wei: int, genesis_hash: str = "") -> None:
        """`rpc` comes from `open_rpc`; `fee_ceiling_wei` is the most to offer per gas.

        `genesis_hash` is the hash that the chain's first block must have, empty for any: a chain id alone is a claim
        that every private or restarted chain can make.
        """
        # Proof-of-authority chains put more into a header than Ethereum allows. web3's other middleware only fills in
        # transactions, and ours are complete.
        self._eth = AsyncWeb3(rpc, middleware=[ExtraDataToPOAMiddleware]).eth
        self._rpc = rpc
        self._fee_ceiling_wei = fee_ceiling_wei
        self._genesis_hash = genesis_hash.lower()
        self.chain_id = chain_id

    async def aclose(self) -> None:
        """Close the connections."""
        await self._rpc.disconnect()

    async def check_chain(self) -> None:
        """WrongChain when the node is of another chain."""
        with _translated():
            actual = int(await self._eth.chain_id)
        if actual != self.chain_id:
            raise WrongChain(f"the node is of chain {actual}, not {self.chain_id}: correct the RPC URL or the chain id")
        if self._genesis_hash and (genesis := await self.genesis()) != self._genesis_hash:
            raise WrongChain(
                f"the node's chain {self.chain_id} begins with block {genesis}, not {self._genesis_hash}: "
                "it is another chain of that id, or it was started anew"
            )

    async def genesis(self) -> str:
        """Hash of the chain's first block."""
        found = await self.block_hash(0)
        if found is None:
            raise ChainUnavailable("the chain's node has no first block; try again")
        return found

    async def code_at(self, address: str) -> str:
        """Runtime byte code at an address as hex with 0x; "0x" where no contract stands."""
        with _translated():
            return _hex(await self._eth.get_code(to_checksum_address(address)))

    async def head(self) -> Head:
        """The newest block."""
        with _translated():
            block = await self._eth.get_block("latest")
            return Head(
                number=int(block["number"]),
                block_hash=_hash(block["hash"]),
                timestamp=int(block["timestamp"]),
                base_fee_wei=_int_or_none(block.get("baseFeePerGas")),
            )

    async def block_hash(self, number: int) -> str | None:
        """Hash of the block at that height now; None above the head."""
        with _translated():
            try:
                return _hash((await self._eth.get_block(number))["hash"])
            except BlockNotFound:
                return None

    async def pending_nonce_of(self, address: str) -> int:
        """The next nonce of an address after what waits in the pool."""
        with _translated():
            return int(await self._eth.get_transaction_count(to_checksum_address(address), "pending"))

    async def mined_nonce_of(self, address: str) -> int:
        """The next nonce of an address after what was mined."""
        with _translated():
            return int(await self._eth.get_transaction_count(to_checksum_address(address), "latest"))

    async def settled_nonce_of(self, address: str, *, depth: int) -> int:
        """The next nonce of an address after what was mined and has `depth` blocks, its own included."""
        number = max(0, (await self.head()).number - depth + 1)
        with _translated():
            return int(await self._eth.get_transaction_count(to_checksum_address(address), number))

    async def balance_of(self, address: str) -> int:
        """Wei that an address holds."""
        with _translated():
            return int(await self._eth.get_balance(to_checksum_address(address)))

    async def suggest_fees(self) -> Fees:
        """Twice the base fee and the usual tip, or the gas price where the chain has no base fee; under the ceiling."""
        base_wei = (await self.head()).base_fee_wei
        ceiling = self._fee_ceiling_wei
        with _translated():
            tip_wei = None if base_wei is None else int(await self._eth.max_priority_fee)
            least_wei = int(await self._eth.gas_price) if base_wei is None else base_wei
        if least_wei > ceiling:
            raise FeeAboveCeiling(f"the chain asks {least_wei} wei per gas, the ceiling is {ceiling}")
        if tip_wei is None:
            return Fees(least_wei, None)
        return Fees(min(2 * least_wei + tip_wei, ceiling), min(tip_wei, ceiling))

    async def estimate(self, *, sender: str, to: str | None, data: bytes) -> int:
        """Gas limit for a transaction on the newest block: what it uses now and a fifth more."""
        fields: TxParams = {"from": to_checksum_address(sender), "data": data}
        if to is not None:
            fields["to"] = to_checksum_address(to)
        with _translated():
            used = int(await self._eth.estimate_gas(fields))
        return used + used // 5

    async def broadcast(self, raw: bytes) -> Broadcast:
        """Hand a signed transaction to the node."""
        tx_hash = _hex(keccak(raw))
        with _translated():
            try:
                _same_transaction(await self._eth.send_raw_transaction(raw), tx_hash)
            except Web3RPCError as error:
                text, _ = _wording(error)
                if says_already_known(text):
                    return Broadcast.ALREADY_KNOWN
                if says_underpriced(text):
                    return Broadcast.UNDERPRICED
                if not says_nonce_used(text):
                    raise
            else:
                return Broadcast.ACCEPTED
            mined = await self._raw_receipt(tx_hash)
        return Broadcast.NONCE_USED if mined is None else Broadcast.ALREADY_MINED

    async def transaction(self, tx_hash: str) -> ChainTransaction | None:
        """A transaction in the pool or in a block."""
        with _translated():
            try:
                found = await self._eth.get_transaction(HexStr(tx_hash))
            except TransactionNotFound:
                return None
            _same_transaction(found["hash"], tx_hash)
            return ChainTransaction(
                tx_hash=tx_hash,
                sender=found["from"],
                to=found.get("to"),
                nonce=int(found["nonce"]),
                block_number=_int_or_none(found.get("blockNumber")),
            )

    async def receipt(self, tx_hash: str) -> TransactionReceipt | None:
        """The receipt of a mined transaction."""
        with _translated():
            found = await self._raw_receipt(tx_hash)
            if found is None:
                return None
            return TransactionReceipt(
                tx_hash=tx_hash,
                succeeded=found["status"] == 1,
                block_number=int(found["blockNumber"]),
                block_hash=_hash(found["blockHash"]),
                gas_used=int(found["gasUsed"]),
                gas_price_wei=_int_or_none(found.get("effectiveGasPrice")),
                contract_address=found.get("contractAddress"),
                events=self._events(found["logs"]),
            )

    async def call(self, *, to: str, data: bytes, sender: str = "", block_number: int | None = None) -> bytes:
        """What a contract's function returns to a sender on a block, the newest for None; nothing where none stands."""
        request: TxParams = {"to": to_checksum_address(to), "data": data}
        if sender:
            request["from"] = to_checksum_address(sender)
        block: BlockIdentifier = "latest" if block_number is None else BlockNumber(block_number)
        with _translated():
            return bytes(await self._eth.call(request, block, ccip_read_enabled=False))

    async def events_in_block(self, number: int, *, address: str, topics: Sequence[bytes]) -> tuple[AnchoredEvent, ...]:
        """The events that a contract emitted in one block, whose first topics are these."""
        query: FilterParams = {
            "fromBlock": BlockNumber(number),
            "toBlock": BlockNumber(number),
            "address": to_checksum_address(address),
            "topics": [HexStr(_hex(topic)) for topic in topics],
        }
        with _translated():
            return self._events(await self._eth.get_logs(query))

    def _events(self, logs: Sequence[Mapping[str, Any]]) -> tuple[AnchoredEvent, ...]:  # noqa: ARG002
        """What a subclass reads out of logs; a bare node knows no contract."""
        return ()

    async def _raw_receipt(self, tx_hash: str) -> TxReceipt | None:
        try:
            found = await self._eth.get_transaction_receipt(HexStr(tx_hash))
        except TransactionNotFound:
            return None
        _same_transaction(found["transactionHash"], tx_hash)
        return found


async def open_rpc(url: str, *, timeout_seconds: float = 10) -> Rpc:
    """Connections to one JSON-RPC URL, each request limited in time; asks nothing yet. ValueError unless HTTP(S)."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("the chain's RPC URL must begin with http:// or https://")
    rpc = AsyncHTTPProvider(
        url,
        request_kwargs={"timeout": ClientTimeout(total=timeout_seconds)},
        exception_retry_configuration=None,
    )
    # web3's own session opens a connection per request.
    await rpc.cache_async_session(
        ClientSession(connector=TCPConnector(keepalive_timeout=KEEPALIVE_SECONDS), raise_for_status=True)
    )
    return rpc


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what web3 and aiohttp raise into our errors. The texts name no URL: it may hold the provider's API key."""
    try:
        yield
    except ContractLogicError as error:
        raise ContractReverted(str(error.message).removeprefix("execution reverted: ")) from error
    except Web3RPCError as error:
        raise refusal(*_wording(error)) from error
    except ClientResponseError as error:
        raise ChainUnavailable(f"the chain's node answers HTTP {error.status}; try again") from None
    except (ClientError, TimeoutError, OSError) as error:
        raise ChainUnavailable(f"the chain's node does not answer ({type(error).__name__}); try again") from error
    # web3 shapes an answer before anything has validated it, so nonsense surfaces as any of these.
    except (BadResponseFormat, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ChainUnavailable("the chain's node answers something else than JSON-RPC; check its URL") from error


def _wording(error: Web3RPCError) -> tuple[str, object]:
    """The node's own message and code."""
    body = (error.rpc_response or {}).get("error")
    if isinstance(body, dict):
        return str(body.get("message", "")), body.get("code")
    return str(error), None


def _same_transaction(answered: bytes, asked: str) -> None:
    if _hash(answered) != asked.lower():
        raise ChainUnavailable("the chain's node answers about another transaction; use another node")


def _hex(value: bytes) -> str:
    return "0x" + bytes(value).hex()


def _hash(value: bytes) -> str:
    if len(value) != 32:
        raise ValueError(f"a hash has 32 bytes, not {len(value)}")
    return _hex(value)


def _int_or_none(value: object) -> int | None:
    """web3 passes what is no hexadecimal number on unchanged; ValueError or TypeError for that."""
    return None if value is None else int(value)  # type: ignore[call-overload]
