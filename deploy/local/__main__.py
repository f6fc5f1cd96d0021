"""`python -m deploy.local up|down|status`: the local stack as a command."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.local import record
from deploy.local.errors import StackError
from deploy.local.ports import free_ports, usual_ports
from deploy.local.python import ROOT
from deploy.local.stack import LocalStack
from deploy.local.supervisor import Stopped, stopped_by_signals, supervise

_STOP_SECONDS = 60


def up(arguments: argparse.Namespace) -> None:
    """Start the stack and keep it running: until Ctrl-C or SIGTERM, or in the background until `down`."""
    data_dir: Path = arguments.data_dir.resolve()
    if _stop_leftovers(data_dir):
        print(f"the stack runs already; {data_dir / 'credentials.json'} says how to reach it")
        return
    processes = arguments.scan_processes
    ports = free_ports(processes) if arguments.free_ports else usual_ports(processes)
    data_dir.mkdir(parents=True, exist_ok=True)
    ready = _go_to_background(data_dir / "supervisor.log") if arguments.detach else lambda: None
    stack = LocalStack(data_dir, ports=ports, scan_processes=processes, say=_say)
    with stopped_by_signals():
        try:
            with stack:
                print(f"\nthe stack is up at {stack.credentials['edge_url']}")
                print(f"keys and addresses: {stack.credentials_file}\nlogs: {stack.logs}")
                if not arguments.detach:
                    print("Ctrl-C stops it", flush=True)
                ready()
                supervise(stack)
        except Stopped as stopped:
            _say(f"stopped by {stopped}")
        finally:
            stack.down()


def down(arguments: argparse.Namespace) -> None:
    """Stop the stack of a data folder; the data stay."""
    file = arguments.data_dir / "stack.json"
    running = [entry for entry in record.read(file) if entry.alive]
    if not running:
        print("nothing to stop")
        return
    if running[0].name == "supervisor":
        os.kill(running[0].pid, signal.SIGTERM)
        if not record.wait_gone(running[0], _STOP_SECONDS):
            raise StackError(f"the supervisor (process {running[0].pid}) does not stop: kill -9 it, then `down` again")
    _stop_leftovers(arguments.data_dir)
    file.unlink(missing_ok=True)
    print("stopped")


def status(arguments: argparse.Namespace) -> None:
    """List the processes of a data folder's stack."""
    entries = record.read(arguments.data_dir / "stack.json")
    for entry in entries:
        print(f"{entry.name:16} {entry.pid:>8}  {'running' if entry.alive else 'gone'}")
    if not any(entry.alive for entry in entries):
        sys.exit("the stack does not run")


def _stop_leftovers(data_dir: Path) -> bool:
    """Stop what a killed supervisor left behind; True when a living supervisor is in charge."""
    entries = [entry for entry in record.read(data_dir / "stack.json") if entry.alive]
    if entries and entries[0].name == "supervisor":
        return True
    for number, seconds in ((signal.SIGINT, 15), (signal.SIGKILL, 5)):  # PostgreSQL's fast stop, and all others', too
        for entry in reversed(entries):
            if entry.alive:
                os.kill(entry.pid, number)
        for entry in entries:
            record.wait_gone(entry, seconds)
    return False


def _go_to_background(log_file: Path) -> Callable[[], None]:
    """Go on in a child, as a daemon; this process waits until the child calls what is returned, and ends."""
    waiting, reporting = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(waiting)
        os.setsid()
        return lambda: _report_ready(reporting, log_file)
    os.close(reporting)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGTERM))
    if os.read(waiting, 1):
        sys.exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _report_ready(reporting: int, log_file: Path) -> None:
    sys.stdout.flush()
    with log_file.open("ab") as log, Path(os.devnull).open("rb") as nothing:
        for stream, target in ((0, nothing), (1, log), (2, log)):  # the terminal, or a pipe, is somebody else's now
            os.dup2(target.fileno(), stream)
    os.write(reporting, b".")
    os.close(reporting)


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=ROOT / "var" / "local", help="default: var/local")
    commands = parser.add_subparsers(required=True)
    for run in (up, down, status):
        command = commands.add_parser(run.__name__, help=(run.__doc__ or "").split(";")[0])
        command.set_defaults(run=run)
        if run is up:
            command.add_argument("--detach", action="store_true", help="return when everything answers")
            command.add_argument("--free-ports", action="store_true", help="take any free ports")
            command.add_argument("--scan-processes", type=int, default=2, choices=range(1, 17), metavar="1..16")
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except StackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
