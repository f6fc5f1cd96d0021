"""What Envoy answers itself, in the same form as the services: google.rpc.Status with one ErrorInfo.

REST callers get it as JSON, people who scan a code get a page (`pages.py`). gRPC callers get the usual trailers, and
the same Status in `grpc-status-details-bin`, so that they, too, decide by the reason.
"""

import base64
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from deploy.envoy import limits, pages

_DOMAIN = "voketag"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an HTTP status of Envoy's own means."""

    http_status: int
    code: int
    """google.rpc.Code."""
    reason: str
    """ErrorReason of the contracts, without its prefix."""
    message: str
    """For the caller: what to do."""
    retry_seconds: int = 0
    """When to come back; 0 where waiting does not help."""


# A call that came as gRPC. One that the transcoder made has the content type, too, and the path that it had before.
_IS_GRPC: tuple[dict[str, Any], ...] = (
    {"header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}},
    {"header_filter": {"header": {"name": "x-envoy-original-path", "present_match": True, "invert_match": True}}},
)

# Over gRPC, a path that leads nowhere is UNIMPLEMENTED: clients of reflection try the older version then.
_GRPC_CODES = {404: code_pb2.UNIMPLEMENTED, 405: code_pb2.UNIMPLEMENTED}
_AGAIN = "the service does not answer; try again"
_REPLIES = (
    Reply(400, code_pb2.INVALID_ARGUMENT, "INVALID_ARGUMENT", "the request is not well formed"),
    Reply(404, code_pb2.NOT_FOUND, "METHOD_NOT_FOUND", "no such path or method"),
    Reply(405, code_pb2.NOT_FOUND, "METHOD_NOT_FOUND", "no such path or method"),
    Reply(408, code_pb2.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the request took too long to arrive; send it again"),
    Reply(413, code_pb2.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", "the request is larger than allowed"),
    Reply(426, code_pb2.INVALID_ARGUMENT, "INVALID_ARGUMENT", "use HTTP/1.1 or HTTP/2"),
    Reply(429, code_pb2.RESOURCE_EXHAUSTED, "RATE_LIMITED", "too many calls; try again in a second", retry_seconds=1),
    Reply(431, code_pb2.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", "the headers are larger than allowed"),
    Reply(500, code_pb2.INTERNAL, "INTERNAL", "internal error"),
    Reply(502, code_pb2.UNAVAILABLE, "UNAVAILABLE", _AGAIN, retry_seconds=1),
    Reply(503, code_pb2.UNAVAILABLE, "UNAVAILABLE", _AGAIN, retry_seconds=1),
    Reply(504, code_pb2.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "the call ran out of its time; try again"),
)

_FILE_TOO_LARGE = Reply(
    413,
    code_pb2.RESOURCE_EXHAUSTED,
    "FILE_TOO_LARGE",
    "a file has at most 10 MiB here; send larger ones by the gRPC stream ImportUnits, or in parts",
)
_TO_A_FILE_PATH: dict[str, Any] = {
    "header_filter": {
        "header": {
            "name": ":path",
            "string_match": {"safe_regex": {"regex": f"({'|'.join(map(re.escape, limits.FILE_PATHS))})(\\?.*)?"}},
        }
    }
}


def configuration() -> dict[str, Any]:
    """Return Envoy's local_reply_config."""
    return {
        "mappers": [
            pages.head_reply(),
            *map(_grpc, _REPLIES),
            *pages.own_pages(),
            _json(_FILE_TOO_LARGE, _TO_A_FILE_PATH),
            *map(_json, _REPLIES),
        ],
        "body_format": _json_format(Reply(500, code_pb2.INTERNAL, "INTERNAL", "internal error")),
    }


def _grpc(reply: Reply) -> dict[str, Any]:
    status = _status(reply)
    details = base64.b64encode(status.SerializeToString()).rstrip(b"=").decode()
    return {
        "filter": {"and_filter": {"filters": [_has_status(reply), *_IS_GRPC]}},
        "body_format_override": {"text_format_source": {"inline_string": reply.message}},
        # gRPC's libraries refuse details whose code is not the call's, and Envoy's own choice is another one at times.
        "headers_to_add": [_header("grpc-status", str(status.code)), _header("grpc-status-details-bin", details)],
    }


def _header(key: str, value: str) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _json(reply: Reply, only: dict[str, Any] | None = None) -> dict[str, Any]:
    of_status = _has_status(reply)
    told_by = {"and_filter": {"filters": [of_status, only]}} if only else of_status
    return {"filter": told_by, "body_format_override": _json_format(reply)}


def _json_format(reply: Reply) -> dict[str, Any]:
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reply.reason, "domain": _DOMAIN}
    ]
    if reply.retry_seconds:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": f"{reply.retry_seconds}s"})
    # What the transcoder found wrong with a body or a query helps the caller, so its own words come along.
    message = f"{reply.message}: %LOCAL_REPLY_BODY%" if reply.http_status == HTTPStatus.BAD_REQUEST else reply.message
    return {
        "json_format": {"code": reply.code, "message": message, "details": details},
        "content_type": "application/json",
    }


def _status(reply: Reply) -> status_pb2.Status:
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reply.reason, domain=_DOMAIN)]
    if reply.retry_seconds:
        delay = duration_pb2.Duration(seconds=reply.retry_seconds)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    code = _GRPC_CODES.get(reply.http_status, reply.code)
    return status_pb2.Status(code=code, message=reply.message, details=map(_pack, details))


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _has_status(reply: Reply) -> dict[str, Any]:
    value = {"default_value": reply.http_status, "runtime_key": f"local_reply.{reply.http_status}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
