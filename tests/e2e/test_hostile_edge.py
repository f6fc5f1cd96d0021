"""Some thousand requests that nobody meant well, through Envoy: never a 5xx, and the edge is alive after them."""

import socket
from contextlib import closing
from http.client import HTTPConnection
from random import Random
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Issued
from tests.e2e.edge import Rest

OVER_BOTH_TRANSPORTS = True

REQUESTS = 3_000
HEADERS = (
    "accept-language",
    "user-agent",
    "x-timezone",
    "x-screen-resolution",
    "x-request-id",
    "cookie",
    "x-client-address",
)


def hostile(random: Random, code: str) -> tuple[str, str, dict[str, str], bytes | None]:
    """Return a request: method, path, headers, body."""
    junk = bytes(random.randrange(256) for _ in range(random.choice((0, 3, 20, 300))))
    word = random.choice((quote(junk), code, code[:-1], code + "%00", "..%2f..%2fetc", "%ff%fe", "a" * 3000))
    path = random.choice(
        (
            f"/v1/scan/{word}",
            f"/v1/scan?code={word}&signed={word[:9]}",
            f"/r/{word}",
            f"/r/{word}/report",
            f"/v1/scan/{word}/receipt",
            f"/ledger/{word}",
            f"/v1/ledger/tile/{word[:5]}/{word[:7]}",
            f"/v1/ledger/entries/{word[:40]}/proof",
            f"/v1/{word}",
            f"/v1/verify/{word[:36]}",
            "/v1/report",
            "/v1/scan",
        )
    )
    headers = {
        name: "".join(chr(random.randint(33, 126)) for _ in range(random.choice((1, 40, 900))))
        for name in HEADERS
        if random.random() < 0.3
    }
    method = random.choice(("GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD"))
    body = random.choice(
        (junk, b"{" * 2000, b'{"code":' + b"9" * 400 + b"}", b'{"reason":"other","code":"\\ud800"}', b"null", b"[]")
    )
    if method == "POST":
        headers["content-type"] = random.choice(("application/json", "application/x-www-form-urlencoded", "text/csv"))
    return method, path, headers, body if method in {"POST", "PUT"} else None


def test_no_request_is_a_fault_of_ours(rest: Rest, issued: Issued) -> None:
    random = Random(7)  # noqa: S311 - which requests are tried is no secret
    address = rest.edge_url.removeprefix("http://")
    code, statuses = issued.units[0].code, dict[int, int]()
    for _ in range(REQUESTS):
        method, path, headers, body = hostile(random, code)
        with closing(HTTPConnection(address, timeout=10)) as connection:
            connection.request(method, path, body, headers)
            with connection.getresponse() as answer:
                answer.read()
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status < 500 or answer.status == 501, f"{answer.status} for {method} {path[:80]} {body!r}"
    assert statuses.keys() >= {200, 400, 404}, statuses
    assert rest("GET", f"/v1/scan/{code}").status == 200


@pytest.mark.parametrize(
    "junk", [b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET /v1/health\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" * 20]
)
def test_what_is_no_http_is_cut_off(rest: Rest, junk: bytes) -> None:
    host, _, port = rest.edge_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(junk)
        answer = connection.recv(4096)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 426"))
    assert rest("GET", "/v1/health").status == 200
