"""Several chains in the settings: one by variables, further ones in a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.anchor.settings import DeploySettings, Settings, WorkerSettings

ADDRESS, OTHER_ADDRESS = "0x" + "11" * 20, "0x" + "22" * 20
FIRST: dict[str, Any] = {
    "chain_rpc_url": "https://one.example",
    "chain_id": 1,
    "contract_address": ADDRESS,
    "confirmations": 30,
}
SECOND: dict[str, Any] = {
    "chain_rpc_url": "https://two.example,https://three.example",
    "chain_id": 137,
    "contract_address": OTHER_ADDRESS,
}


def more(folder: Path, **chains: Any) -> Path:
    path = folder / "chains.json"
    path.write_text(json.dumps(chains))
    return path


def worker(folder: Path, **told: Any) -> WorkerSettings:
    key = folder / "some.key"
    key.write_text("17" * 32)
    common: dict[str, Any] = {"database_url": "postgresql://", "service_key": key, "factory_address": "127.0.0.1:1"}
    signer = {} if told.keys() & {"chain_key", "remote_signer_url"} else {"chain_key": key}
    return WorkerSettings(**{**common, **signer, **FIRST, **told})


def test_without_a_file_there_is_the_one_chain(tmp_path: Path) -> None:
    (only,) = worker(tmp_path).chains()
    assert (only.chain_name, only.chain_id, list(only.chain_rpc_urls)) == ("main", 1, ["https://one.example"])


def test_a_further_chain_says_what_is_its_own_and_takes_the_rest_from_the_first(tmp_path: Path) -> None:
    file = more(tmp_path, polygon={**SECOND, "stuck_seconds": 7})
    first, second = worker(tmp_path, more_chains=file, poll_seconds=5, genesis_hash="0x" + "ab" * 32).chains()
    assert (first.chain_name, first.stuck_seconds) == ("main", 120)
    assert (second.chain_name, second.chain_id, second.contract_address) == ("polygon", 137, OTHER_ADDRESS)
    assert list(second.chain_rpc_urls) == ["https://two.example", "https://three.example"]
    assert (second.stuck_seconds, second.poll_seconds, second.confirmations) == (7, 5, 30)
    assert second.chain_key == first.chain_key
    assert second.genesis_hash == "", "that is another chain's"


def test_a_chain_with_a_signer_of_its_own_takes_nothing_of_the_firsts(tmp_path: Path) -> None:
    remote = {"remote_signer_url": "http://127.0.0.1:9000", "remote_signer_address": ADDRESS}
    _, second = worker(tmp_path, more_chains=more(tmp_path, polygon={**SECOND, **remote})).chains()
    assert (second.chain_key, second.remote_signer_url) == (None, "http://127.0.0.1:9000")


def test_the_environment_speaks_of_the_first_chain_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOKETAG_GENESIS_HASH", "0x" + "ab" * 32)
    monkeypatch.setenv("VOKETAG_REMOTE_SIGNER_URL", "")
    first, second = worker(tmp_path, more_chains=more(tmp_path, polygon=SECOND)).chains()
    assert (first.genesis_hash, second.genesis_hash) == ("0x" + "ab" * 32, "")


def test_one_file_serves_the_server_and_the_command_line_too(tmp_path: Path) -> None:
    file = more(tmp_path, polygon={**SECOND, "stuck_seconds": 7})
    key = tmp_path / "some.key"
    key.write_text("17" * 32)
    common: dict[str, Any] = {"listen": "127.0.0.1:0", "database_url": "postgresql://", "token_public_keys": tmp_path}
    server = Settings(**{**common, **FIRST, "more_chains": file})
    assert [one.chain_id for one in server.chains()] == [1, 137]
    deploying = DeploySettings(chain_rpc_url="https://one.example", chain_id=1, chain_key=key, more_chains=file)
    assert [one.chain_id for one in deploying.chains()] == [1, 137]


def test_the_dry_chain_needs_neither_node_nor_key(tmp_path: Path) -> None:
    _, dry = worker(tmp_path, more_chains=more(tmp_path, dry={})).chains()
    assert (dry.chain_name, dry.chain_id, dry.chain_rpc_url) == ("dry", 0, "")
    only = worker(tmp_path, chain_name="dry", chain_rpc_url="", chain_id=0, contract_address="", chain_key=None)
    assert [one.chain_name for one in only.chains()] == ["dry"]


@pytest.mark.parametrize(
    ("chains", "complaint"),
    [
        ({"polygon": {"chain_id": 137}}, "chain polygon needs chain_rpc_url, contract_address"),
        ({"polygon": {**SECOND, "chain_id": 1}}, "two chains have the same id"),
        ({"main": SECOND}, "two chains have the same name"),
        ({"polygon": {**SECOND, "database_url": "postgresql://other"}}, "database_url is no setting of a chain"),
        ({"Polygon": SECOND}, "chain_name"),
        ({"polygon": {**SECOND, "chain_rpc_url": "ws://two"}}, "chain_rpc_url"),
        ({"polygon": 7}, "not an object of objects"),
    ],
)
def test_a_file_that_is_not_right_stops_the_start(tmp_path: Path, chains: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        worker(tmp_path, more_chains=more(tmp_path, **chains))


def test_a_chain_needs_its_node_id_contract_and_a_signer(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="chain main needs chain_rpc_url, chain_id, contract_address"):
        worker(tmp_path, chain_rpc_url="", chain_id=0, contract_address="")
    with pytest.raises(ValueError, match="VOKETAG_CHAIN_KEY or VOKETAG_REMOTE_SIGNER_URL"):
        worker(tmp_path, chain_key=None)
    with pytest.raises(ValueError, match="go together"):
        worker(tmp_path, remote_signer_url="http://127.0.0.1:9000")


def test_what_is_wrong_is_told_without_the_providers_key(tmp_path: Path) -> None:
    file = more(tmp_path, polygon={**SECOND, "chain_rpc_url": "wss://two.example/provider-api-key"})
    with pytest.raises(ValueError, match="chain_rpc_url") as caught:
        worker(tmp_path, more_chains=file)
    assert "provider-api-key" not in str(caught.value)
