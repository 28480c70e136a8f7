"""The processes of `callveil dev`, started one by one, so that each can be killed by its id."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callveil.adapters.broker import answers, broker_command, free_port
from callveil.adapters.signing_keys import KeyFolder
from callveil.adapters.subject_keys import create_subject_keys
from callveil.adapters.supervisor import Part, Supervisor
from callveil.config import load_config, load_site
from callveil.kit import Service, SystemClock, build_service, make_landing_key
from callveil_standin.profile import standin_profile, standin_python_path


class System:
    """Broker, API and workers over one data folder, with the stand-in engines.

    Args:
        folder: An empty folder for everything.
        settings: Of the profile's table "service".
        workers: How many worker processes, each with its own engines.
        engine_s: Seconds an engine takes.
        ledger: URL; None for SQLite in the data folder.
        store: "s3://bucket/prefix"; None for a folder in the data folder.
        tables: Further lines of the profile, after the table "service".
        variables: Further environment.
        has_clock: Let `clock_file` say how far the service's clock is off.
        profile: Another profile file than that of the stand-in engines.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, Any],
        workers: int = 1,
        engine_s: float = 0.02,
        ledger: str | None = None,
        store: str | None = None,
        tables: str = "",
        variables: Mapping[str, str] | None = None,
        has_clock: bool = False,
        profile: Path | None = None,
    ) -> None:
        self.folder, self.data = folder, folder / "data"
        self.orders, self.clock_file, self.temp = folder / "orders", folder / "clock", folder / "temp"
        for each in (self.data, self.orders, self.temp):
            each.mkdir(mode=0o700, parents=True)
        self.profile = profile or folder / "standin.toml"
        if profile is None:
            lines = (f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
            self.profile.write_text(standin_profile(engine_s) + "[service]\n" + "".join(lines) + tables)
        self.secret = secrets.token_hex(24)
        self.port, self._broker_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CALLVEIL_")},
            **{name: value for name, value in os.environ.items() if name == "CALLVEIL_MODELS_DIR"},
            "PYTHONPATH": standin_python_path(),
            "TMPDIR": str(self.temp),
            "CALLVEIL_DATA": str(self.data),
            "CALLVEIL_KEYS_DIR": str(folder / "keys"),
            "CALLVEIL_BROKER": f"kafka://127.0.0.1:{self._broker_port}",
            "CALLVEIL_INGEST_KEYS": json.dumps({"key_id": "test", "secret": self.secret}),
            "CALLVEIL_STANDIN": str(self.orders),
        }
        self.environment |= variables or {}
        self.store = store or str(self.data / "store")
        self.environment["CALLVEIL_STORE"] = self.store
        if has_clock:
            self.environment["CALLVEIL_STANDIN_CLOCK"] = str(self.clock_file)
        if ledger is not None:
            self.environment["CALLVEIL_LEDGER"] = ledger
        KeyFolder(folder / "keys", SystemClock()).create()
        site = load_site(self.data, self.environment)
        make_landing_key(site)
        create_subject_keys(site.subject_key_file)
        self.supervisor = Supervisor(self.data / "logs")
        self.worker_names = [f"worker-{number}" for number in range(workers)]

    def start(self) -> None:
        """Start everything and wait until the API answers."""
        self._part("broker", broker_command(self._broker_port))
        if not answers(self._broker_port, 20):
            raise RuntimeError("the broker does not start")
        self._part("api", self._callveil("serve", "--port", str(self.port), "--open-status"))
        if not answers(self.port, 60):
            raise RuntimeError("the API does not start")
        for name in self.worker_names:
            self._part(name, self._callveil("worker"))

    def stop(self) -> None:
        self.supervisor.stop(15.0)

    def pid(self, name: str) -> int | None:
        return next(part.pid for part in self.supervisor.parts if part.name == name)

    def wait(self, seconds: float) -> None:
        """Look after the parts for a while, as `callveil dev` does."""
        end = time.monotonic() + seconds
        while True:
            self.supervisor.look()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.2, left))

    def kill(self, name: str) -> bool:
        """Kill -9 a part; True when it ran and is dead now."""
        pid = self.pid(name)
        return pid is not None and kill(pid)

    def engines(self, worker: str) -> list[int]:
        """The engine processes of a worker."""
        pid = self.pid(worker)
        return [] if pid is None else engine_pids(pid)

    def service(self) -> Service:
        """Ledger, landing and store, for a look from outside."""
        return build_service(
            load_config(str(self.profile), self.environment), load_site(self.data, self.environment)
        )

    def callveil(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the program to its end."""
        return subprocess.run(
            [sys.executable, "-m", "callveil", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def _callveil(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "callveil", *arguments, "--profile", str(self.profile)]

    def _part(self, name: str, command: list[str]) -> None:
        self.supervisor.start(Part(name, command, self.environment))


def kill(pid: int) -> bool:
    """Kill -9 a process; True when it is dead now."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def engine_pids(parent: int) -> list[int]:
    """Children that multiprocessing spawned to hold engines."""
    found = []
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            for child in path.read_text().split():
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
        except OSError:
            continue
    return found


def rss_mib(pid: int) -> float:
    """Memory of a process that is its own and resident."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
