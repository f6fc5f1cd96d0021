"""What a call tells about the device that made it."""

import pytest

from services.common.rpc.call import Call
from services.scan import convert
from voketag.scan.v1 import scan_pb2


def call(**headers: str) -> Call:
    metadata = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call(method="Scan", metadata=metadata, client_address="198.51.100.7", request_id="1")


def test_hints_in_the_request_come_before_hints_in_headers() -> None:
    with_headers = call(x_screen_resolution="1x1", x_timezone="UTC", accept_encoding="br")
    device = convert.device(with_headers, scan_pb2.Device(screen_resolution="1170x2532"))
    assert (device.screen, device.time_zone, device.encodings) == ("1170x2532", "UTC", "br")
    assert device.address == "198.51.100.7"


@pytest.mark.parametrize(
    ("header", "application"),
    [
        ("grpc-python-asyncio/1.85.1 grpc-c/58.0.0 (linux; chttp2)", ""),
        ("Shop/2.1 grpc-python-asyncio/1.85.1 grpc-c/58.0.0 (linux; chttp2)", "Shop/2.1"),
        ("grpc-go/1.71.0", ""),
        ("curl/8.9.1", "curl/8.9.1"),
        ("", ""),
    ],
)
def test_a_grpc_library_is_not_the_application(header: str, application: str) -> None:
    assert convert.device(call(user_agent=header)).user_agent == application
