"""Callers at the edge: plain HTTP, and refusals of REST and gRPC taken apart and held against the contract."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.api import annotations_pb2, http_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from deploy.local.python import ROOT
from voketag.admin.v1 import admin_pb2
from voketag.anchor.v1 import anchor_pb2
from voketag.factory.v1 import factory_pb2
from voketag.scan.v1 import scan_pb2

SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    file.DESCRIPTOR.services_by_name[f"{room}Service"]
    for file, room in ((scan_pb2, "Scan"), (factory_pb2, "Factory"), (admin_pb2, "Admin"), (anchor_pb2, "Anchor"))
)
UNKNOWN_CODE = "A" * 20
NO_SUCH_ID = "0197a1b2-0000-7000-8000-000000000000"

MessageT = TypeVar("MessageT", bound=Message)

_ERRORS = (ROOT / "protos/voketag/common/v1/errors.proto").read_text()
PROMISED: dict[str, tuple[grpc.StatusCode, int]] = {
    reason: (grpc.StatusCode[code], int(http_status))
    for code, http_status, reason in re.findall(
        r"// ([A-Z_]+) (\d{3}): (?:.*\n\s*//)*.*\n\s*ERROR_REASON_([A-Z_]+) =", _ERRORS
    )
}
"""gRPC code and HTTP status of every reason, as the comments of the contract promise them."""

_INTERNALS = re.compile(r"Traceback|\.py\b|sqlalchemy|asyncpg|postgres|redis|Exception|object at|metadata size", re.I)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was refused: exactly one ErrorInfo, with a reason of the contract."""

    reason: str
    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (lower case) and body of a REST call; the body is parsed where it is JSON, text where it is."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def reason(self) -> str:
        """The reason of the one ErrorInfo that every error has."""
        infos = [detail for detail in self.body["details"] if detail["@type"].endswith("google.rpc.ErrorInfo")]
        assert [info["domain"] for info in infos] == ["voketag"]
        return str(infos[0]["reason"])

    @property
    def refusal(self) -> Refusal:
        """Why, after making sure that the answer has the form that the contract promises for the reason."""
        assert self.status >= 400, self
        assert self.headers["content-type"] == "application/json"
        refusal = _checked(json_format.ParseDict(self.body, status_pb2.Status()))
        code, http_status = PROMISED[refusal.reason]
        assert (self.body["code"], self.status) == (code.value[0], http_status), self
        return refusal

    def as_message(self, form: type[MessageT]) -> MessageT:
        """Return the answer as the contract's message, after making sure that its JSON has the promised form."""
        assert (self.status, self.headers["content-type"]) == (200, "application/json"), self
        _check_form(self.body, form.DESCRIPTOR)
        return json_format.ParseDict(self.body, form())


@dataclass(frozen=True, slots=True)
class Rest:
    """REST through the edge: `rest("POST", "/v1/scan", {"code": code})`, headers as keywords."""

    edge_url: str
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | self.headers | headers
        request = urllib.request.Request(self.edge_url + path, data, sent, method=method)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                return _answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.headers, error.read())

    def with_key(self, key: str) -> "Rest":
        """Return the same edge as the holder of an API key or a token calls it."""
        return Rest(self.edge_url, {"authorization": f"Bearer {key}"})


@dataclass(frozen=True, slots=True)
class Binding:
    """One REST form of one method."""

    verb: str
    path: str
    has_body: bool
    method: Any

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


def bindings() -> list[Binding]:
    """Return every google.api.http binding of the four contracts."""
    return [
        _binding(rule, method) for service in SERVICES for method in service.methods for rule in _http_rules(method)
    ]


def refusal_of(error: grpc.RpcError) -> Refusal:
    """Return why a call over gRPC was refused, in `grpc-status-details-bin`, as the contract promises it."""
    trailers = dict(error.trailing_metadata() or ())  # type: ignore[attr-defined]
    assert "grpc-status-details-bin" in trailers, error
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    code: grpc.StatusCode = error.code()  # type: ignore[attr-defined]
    assert status.code == code.value[0], "gRPC's own libraries refuse details of another code"
    refusal = _checked(status)
    if refusal.reason == "METHOD_NOT_FOUND":  # NOT_FOUND is what REST calls it
        assert code is grpc.StatusCode.UNIMPLEMENTED
    else:
        assert code is PROMISED[refusal.reason][0]
    return refusal


def _answer(status: int, headers: Any, body: bytes) -> Answer:
    lowered = {name.lower(): value for name, value in headers.items()}
    kind = lowered.get("content-type", "")
    if kind.startswith("application/json"):
        return Answer(status, lowered, json.loads(body))
    return Answer(status, lowered, body.decode() if kind.startswith(("text/", "image/svg")) else body)


def _http_rules(method: Any) -> Iterator[http_pb2.HttpRule]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    if rule.WhichOneof("pattern"):
        yield from (rule, *rule.additional_bindings)


def _binding(rule: http_pb2.HttpRule, method: Any) -> Binding:
    verb = str(rule.WhichOneof("pattern"))
    return Binding(verb=verb.upper(), path=getattr(rule, verb), has_body=bool(rule.body), method=method)


def _checked(status: status_pb2.Status) -> Refusal:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert [detail.Unpack(info) for detail in status.details].count(True) == 1, "exactly one ErrorInfo"
    assert info.domain == "voketag"
    assert info.reason in PROMISED
    assert status.message
    assert not _INTERNALS.search(status.message), status.message
    fields = [violation.field for detail in status.details if detail.Unpack(bad) for violation in bad.field_violations]
    return Refusal(reason=info.reason, message=status.message, fields=tuple(fields))


_KINDS = {
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_ENUM: str,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: str,
    FieldDescriptor.CPPTYPE_STRING: str,
}


def _check_form(body: dict[str, Any], form: Descriptor) -> None:
    """Contract names, zero values printed, 64-bit integers as strings; sub-messages may be absent."""
    assert set(body) <= set(form.fields_by_name), f"{form.name}: {body}"
    for name, each in form.fields_by_name.items():
        if each.message_type and not each.is_repeated and name not in body:
            continue
        assert name in body, f"{form.name} does not print its {name}"
        is_map = bool(each.message_type) and each.message_type.GetOptions().map_entry
        for value in body[name] if each.is_repeated and not is_map else [body[name]]:
            if is_map or (each.message_type and each.message_type.full_name.startswith("google.protobuf.")):
                assert isinstance(value, dict if is_map else str)
            elif each.message_type:
                _check_form(value, each.message_type)
            else:
                assert type(value) is _KINDS[each.cpp_type], f"{form.name}.{name} is {value!r}"
