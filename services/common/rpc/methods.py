"""What the contracts say about each method: its types, its streams, and who may call it."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from services.common.caller import CallerKind
from voketag.common.v1 import auth_pb2


@dataclass(frozen=True, slots=True)
class AuthRule:
    """Who may call a method. `declared` is False where the contract says nothing: then nobody may."""

    declared: bool
    public: bool
    callers: frozenset[CallerKind]
    scope: str
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a contract. `name` is the gRPC path without its first slash."""

    name: str
    python_name: str
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool
    rule: AuthRule


def methods_of(service: ServiceDescriptor) -> Iterator[Method]:
    """Yield the methods of a service in the order of its file."""
    for method in service.methods:
        yield Method(
            name=f"{service.full_name}/{method.name}",
            python_name="".join(f"_{char.lower()}" if char.isupper() else char for char in method.name)[1:],
            request=message_factory.GetMessageClass(method.input_type),
            response=message_factory.GetMessageClass(method.output_type),
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
            rule=_rule(method),
        )


def _rule(method: MethodDescriptor) -> AuthRule:
    options = method.GetOptions()
    rule = options.Extensions[auth_pb2.auth]
    return AuthRule(
        declared=options.HasExtension(auth_pb2.auth),
        public=rule.public,
        callers=frozenset(CallerKind(kind) for kind in rule.callers),
        scope=rule.scope,
        services=frozenset(rule.services),
    )
