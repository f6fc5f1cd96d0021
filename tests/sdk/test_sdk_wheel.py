"""The wheel: what is in it, what it asks for, and that it works where the repository is not."""

import re
import subprocess
import sys
from email.parser import HeaderParser
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
ROOTS = {
    "voketag_sdk": REPOSITORY / "sdk",
    "voketag_kernel": REPOSITORY / "sdk",
    "voketag": REPOSITORY / "gen",
    "buf": REPOSITORY / "gen",
}


@pytest.fixture(scope="module")
def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def requirements(contents: dict[str, bytes]) -> dict[str, Requirement]:
    [metadata] = [content.decode() for name, content in contents.items() if name.endswith(".dist-info/METADATA")]
    lines = HeaderParser().parsestr(metadata).get_all("Requires-Dist", [])
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def test_the_wheel_carries_exactly_the_files_that_the_other_tests_run(contents: dict[str, bytes]) -> None:
    packed = {name: content for name, content in contents.items() if ".dist-info/" not in name}
    sources = {
        str(path.relative_to(root)): path.read_bytes()
        for package, root in ROOTS.items()
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == sources


def test_the_wheel_is_typed_and_carries_no_services(contents: dict[str, bytes]) -> None:
    assert {"voketag_sdk/py.typed", "voketag_kernel/py.typed"} <= contents.keys()
    assert {name.split("/")[0] for name in contents if ".dist-info/" not in name} == ROOTS.keys()


def test_the_floors_are_what_the_generated_code_demands(requirements: dict[str, Requirement]) -> None:
    generated = {path: path.read_text() for path in (REPOSITORY / "gen").rglob("*.py")}
    grpc_versions = set(re.findall(r"GRPC_GENERATED_VERSION = '([\d.]+)'", "".join(generated.values())))
    protobuf_versions = set(re.findall(r"# Protobuf Python Version: ([\d.]+)", "".join(generated.values())))
    assert {f">={floor}" for floor in grpc_versions} == {str(requirements["grpcio"].specifier)}
    assert {f">={floor}" for floor in protobuf_versions} == {str(requirements["protobuf"].specifier)}


def test_the_wheel_asks_for_nothing_else_and_gets_it_here(requirements: dict[str, Requirement]) -> None:
    plain = {name for name, requirement in requirements.items() if not requirement.marker}
    assert plain == {"grpcio", "protobuf", "googleapis-common-protos"}
    assert requirements.keys() - plain == {"cryptography"}, "for voketag-verify-log, as an extra"
    assert all(requirement.specifier.contains(version(name)) for name, requirement in requirements.items())


def _run(python: Path, program: str, folder: Path) -> list[str]:
    command = [str(python), "-I", "-W", "error", "-c", program]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()


def test_the_installed_wheel_exports_these_names(installed: Path, tmp_path: Path) -> None:
    program = """
import voketag_sdk
assert all(getattr(voketag_sdk, name) is not None for name in voketag_sdk.__all__)
print(*voketag_sdk.__all__, sep="\\n")
"""
    # A name that goes away or changes breaks a partner: change this list only together with the version.
    assert _run(installed, program, tmp_path) == [
        "ApiKey", "AsyncClient", "AsyncItems", "Batch", "BatchAnchor", "BatchPriority", "BatchState",
        "BatchStatement", "ChainEvidence", "Client", "CsvFault", "DeadLetter", "ExportedUnit", "ImportReport",
        "Items", "JobState", "NewApiKey", "NewWebhookEndpoint", "Product", "Receipt", "ReplayedDeadLetters",
        "RetryPolicy", "RiskFactor", "RiskyUnit", "ScanHistory", "ScanRecord", "ScanResult", "ScanSummary",
        "ScanTrend", "ScannedBatch", "ScannedProduct", "ScannedUnit", "TagType", "TenantSettings", "Unit",
        "UnitProof", "UnitState", "UnitStateJob", "UnitStateReason", "Verdict", "VerifiedReceipt",
        "VerifiedStatement", "VokeTagError", "WebhookAttempt", "WebhookDelivery", "WebhookDeliveryState",
        "WebhookEndpoint", "WebhookEvent", "__version__", "errors", "parse_receipt", "verify_receipt",
        "verify_statement", "verify_unit_proof", "webhooks",
    ]  # fmt: skip


def test_the_installed_wheel_imports_its_own_files_only(installed: Path, tmp_path: Path) -> None:
    program = """
import sys, voketag_sdk
voketag_sdk.Client, voketag_sdk.AsyncClient, voketag_sdk.verify_receipt
for name, module in sorted(sys.modules.items()):
    if name.split(".")[0] in {"voketag_sdk", "voketag_kernel", "voketag", "buf", "services"}:
        print(module.__file__ or list(module.__path__)[0])
"""
    environment = str(installed.parent.parent)
    files = _run(installed, program, tmp_path)
    assert files
    assert [file for file in files if not file.startswith(environment)] == []


def test_a_version_that_is_tagged_is_the_version_that_is_installed(installed: Path, tmp_path: Path) -> None:
    program = "import voketag_sdk, importlib.metadata as m; print(voketag_sdk.__version__, m.version('voketag'))"
    [line] = _run(installed, program, tmp_path)
    assert line == "0.1.0 0.1.0"


def test_a_partner_s_type_checker_sees_the_parameters_of_both_clients(installed: Path, tmp_path: Path) -> None:
    program = tmp_path / "partner.py"
    program.write_text("""
import voketag_sdk

def blocking(voketag: voketag_sdk.Client) -> str:
    voketag.products.create(sku=1, name="Aurora")
    return voketag.batches.create("p-1", quantity=10).quantity

async def asynchronous(voketag: voketag_sdk.AsyncClient) -> None:
    await voketag.batches.wait("b-1", progres=print)
    async for row in voketag.batches.rows("b-1"):
        row.unit
""")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(installed), str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = re.findall(r"partner.py:(\d+): error: .*\[(.*)\]", done.stdout)
    assert found == [("5", "arg-type"), ("6", "return-value"), ("9", "call-arg"), ("11", "attr-defined")], done.stdout


async def test_the_installed_wheel_talks_to_a_platform(installed: Path, tmp_path: Path) -> None:
    import asyncio

    from tests.sdk.platform_double import open_double
    from voketag.factory.v1 import factory_pb2

    program = """
import sys, voketag_sdk
with voketag_sdk.Client(sys.argv[1], api_key="vkt_key_secret") as voketag:
    print(voketag.products.create(sku="A-1", name="Aurora").id)
    print([product.sku for product in voketag.products.list()])
"""
    async with open_double() as double:
        double.script = {
            "CreateProduct": [factory_pb2.Product(product_id="p-1")],
            "ListProducts": [
                factory_pb2.ListProductsResponse(products=[factory_pb2.Product(sku="A-1")], next_page_token="more"),
                factory_pb2.ListProductsResponse(products=[factory_pb2.Product(sku="A-0")]),
            ],
        }
        arguments = ["-I", "-W", "error", "-c", program, double.url]
        process = await asyncio.create_subprocess_exec(
            installed, *arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
    assert output.decode().splitlines() == ["p-1", "['A-1', 'A-0']"]
    assert double.seen[2].request.page_token == "more"
