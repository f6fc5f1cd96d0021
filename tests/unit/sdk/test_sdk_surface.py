"""The public surface: names, signatures, addresses, and what importing costs."""

import inspect
import subprocess
import sys

import pytest

import voketag_sdk
from voketag_sdk import client
from voketag_sdk._api_keys import AsyncApiKeys
from voketag_sdk._batches import AsyncBatches
from voketag_sdk._dead_letters import AsyncDeadLetters
from voketag_sdk._products import AsyncProducts
from voketag_sdk._scans import AsyncScans
from voketag_sdk._settings import AsyncSettings
from voketag_sdk._transport import _target
from voketag_sdk._units import AsyncUnits
from voketag_sdk._webhooks import AsyncWebhooks

PAIRS = [
    (voketag_sdk.Client, voketag_sdk.AsyncClient),
    (client.Products, AsyncProducts),
    (client.Settings, AsyncSettings),
    (client.Batches, AsyncBatches),
    (client.Units, AsyncUnits),
    (client.ApiKeys, AsyncApiKeys),
    (client.Scans, AsyncScans),
    (client.Webhooks, AsyncWebhooks),
    (client.DeadLetters, AsyncDeadLetters),
]


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_clients_have_the_same_methods_with_the_same_parameters(blocking: type, asynchronous: type) -> None:
    def methods(kind: type) -> dict[str, list[tuple[str, object]]]:
        return {
            name: [(p.name, p.default) for p in inspect.signature(method).parameters.values()]
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") or (name == "__init__" and kind in PAIRS[0])
        }

    assert methods(blocking) == methods(asynchronous)


def test_every_exported_name_can_be_had() -> None:
    for name in voketag_sdk.__all__:
        assert getattr(voketag_sdk, name) is not None
    assert set(voketag_sdk.__all__) <= set(dir(voketag_sdk))
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        _ = voketag_sdk.Clinet


def test_receipts_are_checked_without_grpc_and_protobuf() -> None:
    program = """
import sys
sys.modules.update({"grpc": None, "google": None, "google.protobuf": None})  # any import of them fails
import voketag_sdk
try:
    voketag_sdk.verify_receipt("{}")
except voketag_sdk.errors.MalformedReceipt as error:
    print("malformed:", error)
try:
    voketag_sdk.Client
except ImportError:
    print("no client without grpc")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("malformed: receipt: format is missing")
    assert done.stdout.splitlines()[1:] == ["no client without grpc"]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8080", (False, "127.0.0.1:8080")),
        ("http://edge", (False, "edge:80")),
        ("https://api.example.com", (True, "api.example.com:443")),
        ("https://api.example.com:8443/", (True, "api.example.com:8443")),
        ("http://[::1]:8080", (False, "[::1]:8080")),
    ],
)
def test_an_address_is_the_edge_s(url: str, target: tuple[bool, str]) -> None:
    assert _target(url) == target


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "edge", "", "ftp://edge", "https://edge/v1", "http://edge?x=1", "https://"]
)
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="looks like https://"):
        voketag_sdk.AsyncClient(url)


def test_two_credentials_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="not both"):
        voketag_sdk.AsyncClient("http://edge", api_key="vkt_a_b", access_token="t")
