"""Where a request goes, by the gRPC path that it has or gets from the transcoder."""

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2

from deploy.envoy import browsers, limits, pages
from deploy.envoy.clusters import second_door
from deploy.envoy.settings import EnvoySettings

_STREAM_IDLE = "600s"
_RETRY = {
    # Only where the service has not begun to work: a write that may have happened is never sent twice.
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }
    ],
    # Tries to pick another process. A dead one has the least requests, so that it is picked again and again.
    "host_selection_retry_max_attempts": 10,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
}
_RETRY_OF_ROOM = {
    # A process that stops cancels calls that arrive after its last word to its clients, and, when its grace time ends,
    # those that still run. A scan's timeout here is shorter than the grace time, so a cancelled one never began.
    "scan": _RETRY | {"retry_on": f"{_RETRY['retry_on']},cancelled"},
}

# What grpc's server cannot parse, it keeps in the header table of Envoy's connection, and refuses other people's calls
# with it. Headers that nobody needs never come this far (listener.py).
_GRPC_HEADERS = (
    ("grpc-timeout", "[0-9]{1,8}[HMSmun]", "grpc-timeout is a number of up to eight digits and one of H M S m u n"),
    ("grpc-encoding", "identity|gzip|deflate", "grpc-encoding is identity, gzip or deflate"),
)

# Answers are about one scan or one partner's data: nobody keeps, frames or guesses at them, or learns their address.
_GUARDS = (
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)
# Browsers come back by TLS alone, for two years (RFC 6797). Said only where there is TLS.
_TLS_GUARDS = (("strict-transport-security", "max-age=63072000; includeSubDomains"),)
# A cache must not give one origin's answer to another.
_BROWSER_GUARDS = (("vary", "origin"),)


def services(settings: EnvoySettings) -> dict[str, descriptor_pb2.ServiceDescriptorProto]:
    """Return the contracts' services by their full names, `voketag.<room>.v1.<Name>Service`."""
    files = descriptor_pb2.FileDescriptorSet.FromString(settings.contracts.read_bytes()).file
    return {f"{file.package}.{service.name}": service for file in files for service in file.service}


def configuration(settings: EnvoySettings, page_filter: dict[str, Any]) -> dict[str, Any]:
    """Return the route table; `page_filter` is the transcoder's configuration for the consumer page."""
    return {
        "name": "public",
        "virtual_hosts": [
            {
                "name": "public",
                "domains": ["*"],
                "routes": list(_routes(settings, page_filter)),
                **browsers.policy(settings),
            }
        ],
        "request_headers_to_add": [
            {
                # The services believe this header, so it is written over whatever the client sent.
                "header": {"key": "x-client-address", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "response_headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "ADD_IF_ABSENT"}
            for key, value in (
                *_GUARDS,
                *(_TLS_GUARDS if settings.tls_certificate else ()),
                *(_BROWSER_GUARDS if settings.allowed_origins else ()),
            )
        ],
        "most_specific_header_mutations_wins": True,
    }


def _routes(settings: EnvoySettings, page_filter: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for header, form, words in _GRPC_HEADERS:
        yield _refused_unless(header, form, words)
    # Envoy looks through routes in their order, some hundred of them, two or three times a request: scans come first.
    # Matched before the transcoder, for their settings only; what it makes of the request is matched again below.
    yield pages.head_route()
    filters = {"envoy.filters.http.grpc_json_transcoder": page_filter} | limits.of_page()
    yield {"match": {"prefix": "/r/", "headers": [limits.NOT_GRPC]}, "route": {"cluster": "scan"}} | _configured(
        filters
    )
    yield from limits.rest_routes()
    for service, contract in sorted(services(settings).items(), key=lambda pair: ".scan." not in pair[0]):
        room = service.split(".")[1]
        for method in contract.method:
            path = f"/{service}/{method.name}"
            if method.client_streaming or method.server_streaming:
                yield _stream(path, room)
            else:
                filters = limits.of_method(settings, room, method.name) | pages.of_method(method.name)
                route = _unary(path, room, timeout_seconds=settings.timeouts_seconds[room]) | _configured(filters)
                if settings.http_endpoints.get(room):
                    yield _made_of_rest(route, second_door(room))
                yield route
    yield _unary("/grpc.health.v1.Health/Check", "scan", timeout_seconds=settings.timeouts_seconds["scan"])
    # It would never end by itself, and open streams count against what the cluster takes.
    yield _unary("/grpc.health.v1.Health/Watch", "scan", timeout_seconds=60)
    if settings.reflection:
        for version in ("v1", "v1alpha"):
            yield _stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", "admin")
    if settings.allowed_origins:
        yield browsers.route()


def _configured(filters: dict[str, Any]) -> dict[str, Any]:
    return {"typed_per_filter_config": filters}


def _refused_unless(header: str, form: str, words: str) -> dict[str, Any]:
    other = {"name": header, "string_match": {"safe_regex": {"regex": form}}, "invert_match": True}
    return {
        "match": {"prefix": "/", "headers": [other]},  # a header that is not there is no match either way
        "direct_response": {"status": 400, "body": {"inline_string": words}},
    }


def _unary(path: str, cluster: str, *, timeout_seconds: float) -> dict[str, Any]:
    return {
        "name": path,
        "match": {"path": path},
        "route": {
            "cluster": cluster,
            "timeout": f"{timeout_seconds}s",
            "retry_policy": _RETRY_OF_ROOM.get(cluster, _RETRY),
        },
    }


def _made_of_rest(route: dict[str, Any], cluster: str) -> dict[str, Any]:
    """Return the same route to another cluster, for calls that the transcoder has made: its note tells them."""
    rest = {"name": "x-envoy-original-path", "present_match": True}
    return {**route, "match": {**route["match"], "headers": [rest]}, "route": {**route["route"], "cluster": cluster}}


def _stream(path: str, cluster: str) -> dict[str, Any]:
    return {
        "name": path,
        "match": {"path": path},
        "route": {"cluster": cluster, "timeout": "0s", "idle_timeout": _STREAM_IDLE, "retry_policy": _RETRY},
        "typed_per_filter_config": limits.UNLIMITED,
    }
