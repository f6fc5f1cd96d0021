"""`python -m services.anchor.cli`, as an operator runs it."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from deploy.local.anvil import CHAIN_ID, Anvil
from tests.storage.anchor_chain.development import OWNER, STRANGER, WRITER, write_key


async def cli(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run a command with these settings; return its code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.anchor.cli", *arguments),
        env={f"VOKETAG_{name.upper()}": value for name, value in settings.items()},
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
def settings(anvil: Anvil, tmp_path: Path) -> dict[str, str]:
    return {
        "environment": "local",
        "chain_rpc_url": anvil.url,
        "chain_id": str(CHAIN_ID),
        "chain_key": str(write_key(tmp_path, WRITER)),
    }


async def test_a_deployed_contract_is_printed_as_json_and_stands_there(settings: dict[str, str], anvil: Anvil) -> None:
    code, out, err = await cli("deploy-contract", "--owner", OWNER.address, **settings)
    assert code == 0, err
    printed = json.loads(out)
    assert (printed["owner"], printed["writer"], printed["chain_id"]) == (OWNER.address, WRITER.address, CHAIN_ID)
    assert len(anvil.call("eth_getCode", printed["contract_address"], "latest")) > 100


async def test_a_deployment_writes_its_address_into_the_settings(settings: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "anchor.env"
    file.write_text("# Anchor\nVOKETAG_CONFIRMATIONS=2\nVOKETAG_CONTRACT_ADDRESS=0xold\n", encoding="utf-8")
    file.chmod(0o600)
    code, out, err = await cli("deploy-contract", "--settings", str(file), **settings)
    assert code == 0, err
    assert file.read_text(encoding="utf-8").splitlines() == [
        "# Anchor",
        "VOKETAG_CONFIRMATIONS=2",
        f"VOKETAG_CONTRACT_ADDRESS={json.loads(out)['contract_address']}",
        f"VOKETAG_CHAIN_ID={CHAIN_ID}",
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".*")), "nothing half-made is left"  # noqa: ASYNC240 - a test


async def test_settings_that_cannot_be_written_are_told_before_anything_is_paid_for(
    settings: dict[str, str], anvil: Anvil, tmp_path: Path
) -> None:
    before = anvil.call("eth_blockNumber")
    code, _, err = await cli("deploy-contract", "--settings", str(tmp_path / "nowhere" / "anchor.env"), **settings)
    assert (code, "no folder that can be written" in err) == (2, True), err
    assert anvil.call("eth_blockNumber") == before


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"environment": "production"}, "published development key"),
        ({"chain_id": "1"}, f"the node is of chain {CHAIN_ID}, not 1"),
        ({"chain_rpc_url": "http://127.0.0.1:1"}, "does not answer"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(settings: dict[str, str], changed: dict[str, str], says: str) -> None:
    code, out, err = await cli("deploy-contract", **(settings | changed))
    assert (code, out) == (1, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1


async def test_a_key_without_money_is_told_so(settings: dict[str, str], anvil: Anvil, tmp_path: Path) -> None:
    anvil.call("anvil_setBalance", STRANGER.address, "0x0")
    code, _, err = await cli("deploy-contract", **(settings | {"chain_key": str(write_key(tmp_path, STRANGER))}))
    assert code == 1
    assert "nsufficient funds" in err
