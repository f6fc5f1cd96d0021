"""The edge of a stack, over either transport to Scan: its own, which sends what comes as REST to the second doors, and
another Envoy in front of the same processes that knows of none."""

import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from deploy.local.envoy import envoy
from deploy.local.free_ports import take_port
from deploy.local.stack import LocalStack
from tests.e2e.faults import wait_until

TRANSPORTS = ("http/1.1", "grpc.aio")


@dataclass(frozen=True, slots=True)
class Edge:
    """An Envoy in front of a stack."""

    url: str
    admin_port: int
    transport: str
    """Which scans go over."""

    def sees(self, stack: LocalStack, process: str) -> dict[str, str]:
        """Return what Envoy says of a scan process, as scans reach it: `health_flags`, `rq_total` and the like."""
        cluster, name = ("scan-http", f"{process}-http") if self.transport == "http/1.1" else ("scan", process)
        start = f"{cluster}::127.0.0.1:{stack.ports[name]}::"
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/clusters", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return dict(line.removeprefix(start).split("::", 1) for line in lines if line.startswith(start))

    def wait_until_in_service(self, stack: LocalStack, processes: Sequence[str]) -> None:
        """Return when the edge sends calls to each of the processes (again)."""
        wait_until(
            f"the edge finds {' and '.join(processes)} healthy",
            lambda: all(self.sees(stack, process)["health_flags"] == "healthy" for process in processes),
            seconds=5,
            every=0.1,
        )


@contextmanager
def edge_over(transport: str, stack: LocalStack) -> Iterator[Edge]:
    """Return the stack's own edge, or run the other one for the time of the block."""
    if transport == "http/1.1":
        yield Edge(stack.credentials["edge_url"], stack.ports["edge-admin"], transport)
        return
    settings = replace(stack.edge_settings(), http_endpoints={}, listen_port=take_port(), admin_port=take_port())
    with envoy(settings, folder=stack.data_dir / "other-edge", log_file=stack.logs / "other-edge.log"):
        yield Edge(f"http://127.0.0.1:{settings.listen_port}", settings.admin_port, transport)
