"""The installed wheel against the whole platform on this machine: what README.md shows, run as it stands."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import LocalStack
from voketag_sdk import Client

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sdk against the stack")]

README = Path(__file__).parents[2] / "sdk" / "README.md"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The platform, real from Envoy to the chain."""
    with LocalStack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def run(python: Path, program: str, stack: LocalStack, folder: Path) -> str:
    """Run a program of the installed wheel away from the repository; return what it printed."""
    environment = {
        "VOKETAG_URL": stack.credentials["edge_url"],
        "VOKETAG_API_KEY": stack.credentials["partner_api_key"],
        "VOKETAG_RPC_URL": stack.credentials["chain_rpc_url"],
        "VOKETAG_CONTRACT": stack.credentials["contract_address"],
        "TZ": "Asia/Kathmandu",
    }
    command = [str(python), "-I", "-W", "error", "-c", program]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_readme_does_what_it_says(installed: Path, stack: LocalStack, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == README.read_text().count("```python")
    printed = run(installed, "\n".join(blocks), stack, tmp_path)
    for wanted in (
        r"^COMPLETED 1000 of 1000$",
        r"^root [0-9a-f]{64} in transaction 0x[0-9a-f]{64}$",
        r"^1000 codes in units.csv$",
        r"^AUTHENTIC \d+ \S",
        r"^Aurora serum existed at 20\d\d-\d\d-\d\d .*\+00:00$",
        r"^AURORA-\d+ is taken; request [0-9a-f-]{36}$",
    ):
        assert re.search(wanted, printed, re.MULTILINE), printed
    lines = (tmp_path / "units.csv").read_bytes().split(b"\r\n")
    assert lines[0] == b"index,unit_id,serial,code,url,state"
    assert [line.split(b",")[0] for line in lines[1:-1]] == [b"%d" % index for index in range(1000)]
    assert lines[-1] == b""


def test_every_other_method_works_on_the_real_platform(installed: Path, stack: LocalStack, tmp_path: Path) -> None:
    program = (Path(__file__).parent / "every_method.py").read_text()
    assert run(installed, program, stack, tmp_path) == "every method works\n"


def test_waiting_and_exporting_outlive_a_factory_that_is_killed(stack: LocalStack, tmp_path: Path) -> None:
    kills: list[str] = []

    def crash_once(where: str) -> None:
        if where not in kills:
            kills.append(where)
            stack.kill("factory")
            stack.start("factory")

    reached = stack.credentials
    with Client(reached["edge_url"], api_key=reached["partner_api_key"]) as voketag:
        product = voketag.products.create(sku="SDK-2", name="Cumulus")
        batch = voketag.batches.create(product.id, quantity=20_000)
        batch = voketag.batches.wait(batch.id, progress=lambda _: crash_once("waiting"), timeout=90)
        rows = []
        for row in voketag.batches.rows(batch.id):
            rows.append(row.index)
            if row.index == 5_000:
                crash_once("exporting")
    assert batch.issued_count == 20_000
    assert rows == list(range(20_000))
    assert kills == ["waiting", "exporting"]
