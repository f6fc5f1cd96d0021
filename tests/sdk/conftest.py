"""The wheel, built once and installed once, a chain with a receipt on it, and a platform that follows a script."""

import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.anvil import Anvil
from tests.sdk.chain import Chain
from tests.sdk.platform_double import PlatformDouble, open_double
from tests.sdk.receipt_maker import ANCHOR_SIZE, make_receipt
from voketag_kernel.receipts import Receipt
from voketag_sdk import AsyncClient, RetryPolicy

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `python -m build --wheel --no-isolation sdk` makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), "sdk"]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that has the wheel, and of the repository nothing.

    The wheel's dependencies come from this environment by a path file, so that no network is needed; path files in that
    folder are not followed, so the repository's editable install does not come along. It proves that the wheel carries
    all of ours that it needs; that its floors are enough is read off its metadata in test_sdk_wheel.py.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """anvil, which mines at once."""
    with Anvil(tmp_path_factory.mktemp("chain"), block_seconds=None) as anvil:
        yield Chain(anvil)


@pytest.fixture(scope="module")
def contract(chain: Chain) -> str:
    """The registry's address."""
    return chain.deploy()


@pytest.fixture(scope="module")
def receipt(chain: Chain, contract: str) -> Receipt:
    """A receipt whose anchor root is on the chain."""
    root = make_receipt().anchor
    assert root is not None
    mined = chain.anchor(contract, root.root, ANCHOR_SIZE)
    assert mined["status"] == "0x1"
    return make_receipt(contract=contract, tx_hash=mined["transactionHash"], block_number=int(mined["blockNumber"], 16))


@pytest.fixture
async def double() -> AsyncIterator[PlatformDouble]:
    async with open_double() as opened:
        yield opened


@pytest.fixture
async def client(double: PlatformDouble) -> AsyncIterator[AsyncClient]:
    """A client with short pauses."""
    policy = RetryPolicy(attempts=4, initial_seconds=0.01, max_seconds=0.05)
    async with AsyncClient(double.url, api_key="vkt_key_secret", timeout=10, retry=policy) as opened:
        yield opened
