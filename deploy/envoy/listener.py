"""The public listener: what every request passes on its way in, in this order."""

from typing import Any

from deploy.envoy import browsers, limits, local_replies, pages, routes
from deploy.envoy.clusters import address
from deploy.envoy.settings import EnvoySettings

_API = "type.googleapis.com/envoy.extensions"
_TRANSCODER = f"{_API}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"


# grpc's server parses these, no service reads them, and one that does not parse is not that call's loss alone: grpc
# keeps it in the header table of Envoy's connection, and refuses other people's calls with it. See routes.py, too.
_DROPPED = {
    "@type": f"{_API}.filters.http.header_mutation.v3.HeaderMutation",
    "mutations": {
        "request_mutations": [
            {"remove_on_match": {"key_matcher": {"suffix": "-bin"}}},
            {"remove": "grpc-status"},
            {"remove": "grpc-message"},
            {"remove": "grpc-previous-rpc-attempts"},
            {"remove": "grpc-retry-pushback-ms"},
            # The transcoder's own notes: they tell the routes that a call came as REST.
            {"remove": "x-envoy-original-path"},
            {"remove": "x-envoy-original-method"},
        ]
    },
}


def public(settings: EnvoySettings) -> dict[str, Any]:
    """Return the listener that the world talks to."""
    chain: dict[str, Any] = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": _connection_manager(settings)}
        ]
    }
    if settings.tls_certificate and settings.tls_key:
        chain["transport_socket"] = _tls(str(settings.tls_certificate), str(settings.tls_key))
    return {
        "name": "public",
        "address": address(f"{settings.listen_host}:{settings.listen_port}"),
        "per_connection_buffer_limit_bytes": 1024 * 1024,
        "filter_chains": [chain],
    }


def _connection_manager(settings: EnvoySettings) -> dict[str, Any]:
    return {
        "@type": f"{_API}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "public",
        "codec_type": "AUTO",  # HTTP/1.1 and h2c on one port: REST, gRPC and gRPC-Web share one address
        "server_name": "voketag",
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.trusted_hops,
        # Nobody is trusted for coming from a private address (an empty list would mean all of them): the x-envoy-*
        # headers that a client sends, which change timeouts and retries, are dropped.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "max_request_headers_kb": 32,
        # Who sends a byte now and then holds a place for so long, and no longer.
        "request_headers_timeout": f"{settings.headers_seconds}s",
        "request_timeout": f"{settings.request_seconds}s",
        "stream_idle_timeout": "60s",  # routes of streams have their own
        "common_http_protocol_options": {"idle_timeout": "900s", "max_headers_count": 100},
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 256 * 1024,
            "initial_connection_window_size": 1024 * 1024,
            "connection_keepalive": {"interval": "60s", "timeout": "10s"},
        },
        "access_log": [_access_log(settings)],
        "local_reply_config": local_replies.configuration(),
        "route_config": routes.configuration(settings, page_filter=_transcoder(settings, any_query=True)),
        "http_filters": [
            _filter("lua", pages.FILTER),  # answers pass in the other direction: this one sees what leaves
            *([_filter("cors", browsers.FILTER)] if settings.allowed_origins else []),
            _filter("header_mutation", _DROPPED),
            _filter("local_ratelimit", _rate_limit(settings)),
            # Routes of streams turn this one off: they must flow, and the servers have a limit of their own.
            _filter("buffer", limits.whole(settings.max_request_bytes)),
            _filter("grpc_web", {"@type": f"{_API}.filters.http.grpc_web.v3.GrpcWeb"}),
            _filter("grpc_json_transcoder", _transcoder(settings, any_query=False)),
            _filter("router", {"@type": f"{_API}.filters.http.router.v3.Router", "suppress_envoy_headers": True}),
        ],
    }


def _filter(name: str, configuration: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": configuration}


def _transcoder(settings: EnvoySettings, *, any_query: bool) -> dict[str, Any]:
    """Return how REST becomes gRPC; `any_query` lets unknown query parameters pass.

    An API refuses what it does not know. A consumer's page must not: people share links, and apps add parameters.
    """
    return {
        "@type": _TRANSCODER,
        "proto_descriptor": str(settings.contracts),
        "services": list(routes.services(settings)),
        "convert_grpc_status": True,
        "ignore_unknown_query_parameters": any_query,
        "query_param_unescape_plus": True,
        "max_request_body_size": settings.max_message_bytes,
        "max_response_body_size": settings.max_message_bytes,
        "print_options": {"always_print_primitive_fields": True, "preserve_proto_field_names": True},
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": not any_query,
            "reject_binding_body_field_collisions": True,
        },
    }


def _rate_limit(settings: EnvoySettings) -> dict[str, Any]:
    always = {"default_value": {"numerator": 100}}
    return {
        "@type": f"{_API}.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "edge",
        "token_bucket": {
            "max_tokens": settings.requests_per_second,
            "tokens_per_fill": settings.requests_per_second // 10,
            "fill_interval": "0.1s",
        },
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limited_as_resource_exhausted": True,
        "response_headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
    }


def _access_log(settings: EnvoySettings) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_API}.access_loggers.file.v3.FileAccessLog",
            "path": str(settings.access_log),
            # Routes are named for their gRPC methods. Paths are never logged: REST paths hold unit codes.
            "log_format": {
                "json_format": {
                    "time": "%START_TIME%",
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    "client_address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                    "protocol": "%PROTOCOL%",
                    "http_method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
                    "method": "%ROUTE_NAME%",
                    "status": "%RESPONSE_CODE%",
                    "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
                    "details": "%RESPONSE_CODE_DETAILS%",
                    "flags": "%RESPONSE_FLAGS%",
                    "bytes_received": "%BYTES_RECEIVED%",
                    "bytes_sent": "%BYTES_SENT%",
                    "duration_ms": "%DURATION%",
                    "upstream": "%UPSTREAM_HOST%",
                    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                },
            },
        },
    }


def _tls(certificate: str, key: str) -> dict[str, Any]:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_API}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificates": [
                    {"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}
                ],
            },
        },
    }
