"""`callveil dev`: the whole service on one machine, in one command."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from callveil.adapters.broker import answers, broker_command, free_port
from callveil.adapters.local_files import make_folders
from callveil.adapters.signing_keys import KeyFolder
from callveil.adapters.supervisor import Part, Supervisor
from callveil.cli.ingest_key import new_ingest_key, write_ingest_keys
from callveil.cli.output import errors, say
from callveil.cli.service import Data, ProfileOption, load
from callveil.config import Site
from callveil.errors import CallveilError, ConfigError
from callveil.kit import Service, SystemClock, build_service, make_landing_key, make_subject_keys, open_signer
from callveil.vocabulary.ledger import CallState

_READY_S = 60.0
_STOP_S = 8.0


def dev(
    data: Data = None,
    profile: ProfileOption = "default",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the API; 0 for a free one.")] = 8080,
) -> None:
    """Run everything on this machine: broker, ledger, landing, store, API and a worker.

    Prints `ready http://127.0.0.1:PORT` once calls can be pushed; the pages for people are there too. The key
    to sign pushes with is in DATA/ingest-key.json, the results are under DATA/store, the logs under
    DATA/logs. SIGTERM or Ctrl-C stops it; what was in hand goes on at the next start.

    Exit codes: 0 stopped; 1 a part does not start; 2 wrong configuration, nothing was started.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    config, site = load(data, profile)
    make_folders(site.data)
    _make_ingest_key(site)
    if config.secrets.landing_key is None:
        make_landing_key(site)
    make_subject_keys(config, site)
    environment = dict(os.environ) | {"CALLVEIL_DATA": str(site.data)}
    try:
        open_signer(config)
    except ConfigError:
        folder = site.data / "keys"
        keys = KeyFolder(folder, SystemClock())
        if not (folder / "private.pem").exists():
            keys.create()
            errors.print(
                f"made a signing key in {folder}; to check its certificates: CALLVEIL_KEYS_DIR={folder}"
            )
        environment["CALLVEIL_KEYS_DIR"] = str(folder)
    service = build_service(*load(data, profile))
    supervisor = Supervisor(site.data / "logs")
    port = port or free_port()
    _check_port(port)
    url = f"http://127.0.0.1:{port}"
    try:
        _start(supervisor, environment, profile, port)
        if _wait_ready(supervisor, url, stopping):
            service.ledger.reemit(grace_s=0.0, now=service.clock.now())  # the broker begins empty
            sys.stdout.write(f"ready {url}\n")
            sys.stdout.flush()
            _tell_pages(service, url)
            _watch(supervisor, service, url, stopping)
        elif not stopping.is_set():
            raise ConfigError(f"the API does not start; see {site.data / 'logs' / 'api.log'}")
    finally:
        supervisor.stop(_STOP_S)


def _tell_pages(service: Service, url: str) -> None:
    """Where the pages are, and how somebody gets in."""
    if service.books.accounts.users():
        say(f"pages for people: {url}/", error=True)
        return
    how = f"callveil user add NAME --role admin --data {shlex.quote(str(service.site.data))}"
    say(f"pages for people: {url}/ has no user yet; to enter the first: {how}", error=True)


def _make_ingest_key(site: Site) -> None:
    if not site.ingest_key_file.exists():
        write_ingest_keys(site, [new_ingest_key()])


def _start(supervisor: Supervisor, environment: dict[str, str], profile: str, port: int) -> None:
    ours = [sys.executable, "-m", "callveil"]
    if "CALLVEIL_BROKER" not in environment:
        broker_port = free_port()
        environment["CALLVEIL_BROKER"] = f"kafka://127.0.0.1:{broker_port}"
        supervisor.start(Part("broker", broker_command(broker_port), environment))
        if not answers(broker_port, 10.0):
            raise ConfigError("the embedded broker does not start; see logs/broker.log")
    api = ["serve", "--port", str(port), "--profile", profile, "--open-status"]
    supervisor.start(Part("api", [*ours, *api], environment))
    supervisor.start(Part("worker", [*ours, "worker", "--profile", profile], environment))


def _check_port(port: int) -> None:
    """Wait for what an earlier run that was killed may have left on the port.

    Raises:
        ConfigError: Somebody else has it.
    """
    end = time.monotonic() + _STOP_S
    while answers(port, 0.05):
        if time.monotonic() > end:
            raise ConfigError(f"--port: {port} is in use; allowed: a free port, or 0 for any")
        time.sleep(0.2)


def _wait_ready(supervisor: Supervisor, url: str, stopping: threading.Event) -> bool:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and not stopping.wait(0.1):
        with suppress(OSError):
            urllib.request.urlopen(f"{url}/readyz", timeout=2).close()  # noqa: S310  our own http address
            return True
        supervisor.look()
    return False


def _watch(supervisor: Supervisor, service: Service, url: str, stopping: threading.Event) -> None:
    """Look after the parts, and show how things stand where somebody can see it."""
    with Live(console=errors, auto_refresh=False, transient=True) as live:
        while not stopping.wait(1.0):
            supervisor.look()
            if errors.is_terminal:
                live.update(_view(supervisor, service, url), refresh=True)


def _view(supervisor: Supervisor, service: Service, url: str) -> Table:
    table = Table(title=f"callveil dev, {url}, Ctrl-C stops", title_justify="left")
    table.add_column("calls")
    table.add_column("", justify="right")
    table.add_column("process")
    table.add_column("")
    try:
        counts = service.ledger.counts(now=service.clock.now())
        rows = [(state.value, str(counts.by_state.get(state, 0))) for state in CallState]
        rows.append(("oldest waiting", f"{counts.oldest_waiting_s:.0f} s"))
    except CallveilError as error:
        rows = [("ledger", error.code)]
    parts = [
        (part.name, "starting" if part.pid is None else f"pid {part.pid}, {part.restarts} restarts")
        for part in supervisor.parts
    ]
    for index in range(max(len(rows), len(parts))):
        left = rows[index] if index < len(rows) else ("", "")
        right = parts[index] if index < len(parts) else ("", "")
        table.add_row(*left, *right)
    return table
