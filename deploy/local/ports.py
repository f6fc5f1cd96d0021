"""Which ports the local stack listens on, and whether they are free."""

import random
import socket

from deploy.local.errors import StackError

# Below what Linux (32768) and macOS (49152) give to outgoing connections: while a part is down in a fault test, its
# clients' attempts to come back could otherwise be given its port as their own.
_FREE_RANGE = range(15_000, 32_000)


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    for port in random.SystemRandom().sample(_FREE_RANGE, 200):
        if is_free(port):
            return port
    raise StackError("no free port between 15000 and 32000: stop some servers")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections of the last run do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Tell whether something takes connections on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
