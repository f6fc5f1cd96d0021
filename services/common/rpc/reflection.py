"""gRPC reflection of every contract that this process has imported, methods included."""

from collections.abc import Iterable
from typing import Any, cast

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection

SERVICE_NAME: str = reflection.SERVICE_NAME


def enable(names: Iterable[str], server: grpc.aio.Server) -> None:
    """Answer reflection, and list the services of these names."""
    reflection.enable_server_reflection(sorted(names), server, pool=cast(descriptor_pool.DescriptorPool, _Symbols()))


class _Symbols:
    """The default pool, which alone finds no methods: `grpcurl describe` asks for them, as the protocol allows."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - protobuf's name
        """Return the file that has a symbol; KeyError when there is none."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            return self._pool.FindServiceByName(service).methods_by_name[method].containing_service.file
