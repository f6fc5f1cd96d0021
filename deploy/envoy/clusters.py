"""The processes behind the edge, least requests first: one cluster a room over HTTP/2, and one of second doors."""

from collections.abc import Sequence
from typing import Any

_HTTP_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_WINDOW_BYTES = 1024 * 1024
_HTTP2 = {
    "explicit_http_config": {
        "http2_protocol_options": {
            "initial_stream_window_size": _WINDOW_BYTES,
            "initial_connection_window_size": 4 * _WINDOW_BYTES,
            "connection_keepalive": {"interval": "30s", "timeout": "5s"},
        }
    }
}
_HTTP1 = {
    "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},  # `grpc-status` is one
    # Sooner than the servers (services/common/rpc/http_listener.py): who closes a connection that the other end is
    # about to use loses that request.
    "common_http_protocol_options": {"idle_timeout": "60s"},
}
_GRPC_HEALTH: dict[str, Any] = {"grpc_health_check": {}}
# An answer of 503 takes a process out of service at once, whatever the threshold says.
_HTTP_HEALTH: dict[str, Any] = {"http_health_check": {"path": "/health"}}


def address(host_and_port: str) -> dict[str, Any]:
    """Return Envoy's form of `host:port`."""
    host, _, port = host_and_port.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def room(name: str, endpoints: Sequence[str]) -> dict[str, Any]:
    """Return the cluster of a room's processes."""
    return _cluster(name, endpoints, options=_HTTP2, health=_GRPC_HEALTH)


def second_doors(room: str, endpoints: Sequence[str]) -> dict[str, Any]:
    """Return the cluster of a room's second doors (services/common/rpc/http_transport.py)."""
    return _cluster(second_door(room), endpoints, options=_HTTP1, health=_HTTP_HEALTH)


def second_door(room: str) -> str:
    """Return the name of the cluster of a room's second doors."""
    return f"{room}-http"


def _cluster(name: str, endpoints: Sequence[str], *, options: dict[str, Any], health: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        # Names are resolved again and again, so that Kubernetes or DNS may move a process; addresses cost nothing.
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        # Envoy would gather changes of health for a second, which spares clusters of thousands. Ours obey them at once.
        "common_lb_config": {"update_merge_window": "0s"},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(each)}} for each in endpoints]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_OPTIONS,
                **options,
            }
        },
        "health_checks": [
            {
                **health,
                "interval": "1s",
                "no_traffic_interval": "2s",
                "timeout": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
            }
        ],
        "outlier_detection": {
            # Only what says that the process itself is gone counts. An answer UNAVAILABLE means that PostgreSQL is
            # down for all of them, and ejecting them would make the outage last longer than its cause.
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_local_origin_success_rate": 0,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "5s",  # or until the process passes a health check, which ends it at once
            "max_ejection_time": "10s",
            # Of two processes the dead one must go; the default of a tenth would keep it. Were all of them ejected,
            # Envoy would panic and ask all, as it should.
            "max_ejection_percent": 100,
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 1024,
                    "max_pending_requests": 2048,
                    "max_requests": 8192,
                    # Retries of a fifth of the calls at most: when everything fails, they must not double the load. Few
                    # calls are no load, and all that wait for one connection fail together when its process dies.
                    "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 100},
                }
            ]
        },
    }
