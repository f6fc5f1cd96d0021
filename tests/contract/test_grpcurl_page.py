"""docs/grpcurl.md without grpcurl: what its commands send are requests of the methods that they name.

`tests/e2e/test_grpcurl.py` runs the commands where grpcurl is installed. This checks them by the contracts everywhere.
"""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, message_factory, symbol_database

from voketag.admin.v1 import admin_pb2  # noqa: F401 - registers its messages
from voketag.anchor.v1 import anchor_pb2  # noqa: F401
from voketag.factory.v1 import factory_pb2  # noqa: F401
from voketag.scan.v1 import scan_pb2  # noqa: F401

PAGE = (Path(__file__).parents[2] / "docs" / "grpcurl.md").read_text(encoding="utf-8")
_CALL = re.compile(r"""-d ((?:'[^']*'|"[^"]*")+)\s+"\$EDGE"\s+(voketag[\w.]+)/(\w+)""")
_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")
_ANY_VALUE = "0000"  # a number, text, and base64


def _messages(text: str) -> Iterator[Any]:
    """Yield the JSON values of a text, one after another, as a stream of requests has them."""
    while text := text.lstrip():
        value, end = json.JSONDecoder().raw_decode(text)
        text = text[end:]
        yield value


def _with_masks_as_text(value: Any) -> Any:
    """Return a request with its field masks as JSON has them: grpcurl takes a mask as the message that it is."""
    if not isinstance(value, dict):
        return value
    assert isinstance(value.get("update_mask", {}), dict), 'grpcurl takes a mask as {"paths": [...]}'
    return {
        name: ",".join(each["paths"]) if name == "update_mask" else _with_masks_as_text(each)
        for name, each in value.items()
    }


def _sent() -> Iterator[tuple[str, str, Any]]:
    for commands in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.S):
        for quoted, service, method in _CALL.findall(commands.replace("\\\n", " ")):
            [body] = shlex.split(quoted)
            for message in _messages(_VARIABLE.sub(_ANY_VALUE, body)):
                yield service, method, message


SENT = list(_sent())


def test_no_request_of_the_page_is_passed_over() -> None:
    assert len({(service, method) for service, method, _ in SENT}) > 30
    assert len(_CALL.findall(PAGE.replace("\\\n", " "))) == len(re.findall(r"-d '", PAGE))


@pytest.mark.parametrize(("service", "method", "message"), SENT, ids=[method for _, method, _ in SENT])
def test_a_request_of_the_page_is_one_of_its_method(service: str, method: str, message: Any) -> None:
    pool = symbol_database.Default().pool
    request = pool.FindServiceByName(service).methods_by_name[method].input_type
    json_format.ParseDict(_with_masks_as_text(message), message_factory.GetMessageClass(request)())
