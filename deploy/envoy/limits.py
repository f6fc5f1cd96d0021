"""How much the edge takes: bytes of one request, by what it is for, and memory and connections in all.

A request of a unary call is held until it is whole, whoever sends it; so a limit is what a stranger can make the edge
hold. A call over gRPC is limited by its method's route. REST is not gRPC yet where its size is looked at, so its paths
have routes of their own (`rest_routes`), for limits only: what the transcoder makes of the call is routed again.
"""

from collections.abc import Iterator
from typing import Any

from deploy.envoy.settings import EnvoySettings

_BUFFER = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer"
_NAME = "envoy.filters.http.buffer"
_KIB = 1024

UNLIMITED: dict[str, Any] = {_NAME: {"@type": f"{_BUFFER}PerRoute", "disabled": True}}
"""For streams: they must flow, and the servers have a limit of their own."""

NOT_GRPC: dict[str, Any] = {
    "name": "content-type",
    "string_match": {"prefix": "application/grpc"},
    "invert_match": True,
    "treat_missing_header_as_empty": True,
}
"""The transcoder leaves gRPC alone, and no gRPC method has such a path."""
_SCAN_BYTES = 16 * _KIB
_REPORT_BYTES = 64 * _KIB  # 2,000 characters in a form are up to 24,000 bytes
_FILE_BYTES = 10 * _KIB * _KIB
_FILES = ("ImportUnitsCsv", "SetUnitStatesCsv")
FILE_PATHS = ("/v1/batches/csv", "/v1/units/state/csv")
"""REST paths whose body is a file."""
_REPORTS = ("ReportFraud", "SubmitReportForm")


def whole(most_bytes: int) -> dict[str, Any]:
    """Return the filter that holds requests until they are whole."""
    return {"@type": _BUFFER, "max_request_bytes": most_bytes}


def of_method(settings: EnvoySettings, room: str, method: str) -> dict[str, Any]:
    """Return a unary method's limit, as its route needs it."""
    if method in _FILES:
        return _at_most(settings.max_message_bytes)
    if room == "scan":
        return _at_most(_REPORT_BYTES if method in _REPORTS else _SCAN_BYTES)
    return _at_most(settings.max_request_bytes)


def of_page() -> dict[str, Any]:
    """Return the limit of everything about the consumer page, its form included."""
    return _at_most(_REPORT_BYTES)


def rest_routes() -> Iterator[dict[str, Any]]:
    """Return routes of REST paths whose limit is another one than most have."""
    for path, room, most_bytes in (
        ({"path_separated_prefix": "/v1/scan"}, "scan", _SCAN_BYTES),
        ({"path": "/v1/report"}, "scan", _REPORT_BYTES),
        *(({"path": path}, "factory", _FILE_BYTES) for path in FILE_PATHS),
    ):
        yield {
            "match": {**path, "headers": [NOT_GRPC]},
            "route": {"cluster": room},
            "typed_per_filter_config": _at_most(most_bytes),
        }


def overload(settings: EnvoySettings) -> dict[str, Any]:
    """Return Envoy's overload manager: an edge that takes anything runs out of memory or file descriptors before it
    says no."""
    monitors = "type.googleapis.com/envoy.extensions.resource_monitors"
    heap = "envoy.resource_monitors.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": f"{monitors}.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": 10_000,
                },
            },
            {
                "name": heap,
                "typed_config": {
                    "@type": f"{monitors}.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": settings.max_heap_bytes,
                },
            },
        ],
        "actions": [
            {"name": f"envoy.overload_actions.{action}", "triggers": [{"name": heap, "threshold": {"value": share}}]}
            for action, share in (
                ("shrink_heap", 0.85),
                ("disable_http_keepalive", 0.9),
                ("stop_accepting_requests", 0.95),
            )
        ],
    }


def _at_most(most_bytes: int) -> dict[str, Any]:
    return {_NAME: {"@type": f"{_BUFFER}PerRoute", "buffer": {"max_request_bytes": most_bytes}}}
