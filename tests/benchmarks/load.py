"""How much the service takes: pushes, settled calls, memory; with stand-in engines, then with the real ones.

The clients run on the same machine, in processes of their own, so they take their share of its cores.
"""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import soundfile

sys.path.append(str(Path(__file__).parents[1] / "standin"))

from callveil_standin.client import Client
from callveil_standin.system import System, rss_mib
from callveil_standin.tones import make_call

from callveil.config import load_config
from callveil.vocabulary.ledger import FINAL, CallState

CONCURRENCIES = (1, 4, 16)
INTAKE_S = 12.0
ENDURANCE_CALLS = 10_000
ENDURANCE_S = 480.0
"""When pushing stops, however many calls that were."""

GRANTED = 10
"""In the part about memory every so manieth call is granted, the others are denied."""

SCALES = ((1, 1), (4, 1), (1, 2), (2, 2), (1, 4), (4, 4))
"""Partitions and engine processes."""

ENGINE_S = 0.4
"""Of a stand-in engine in the part about scaling: long enough for the waiting to dominate."""

SCALE_CALLS = 20
REAL_S = 180.0
SMALL_S = 1.3
_SETTINGS = {"live_calls": 0, "max_waiting": 1_000_000}


def measure_load(
    calls: Sequence[Path],
    profile: str,
    endurance_calls: int,
    tell: Callable[[str], None],
    keep: Callable[[dict[str, Any]], None],
) -> None:
    """Measure everything, some fifteen minutes.

    Args:
        calls: Recordings for the real engines.
        profile: Of Callveil, for the real engines.
        endurance_calls: How many small calls go through while memory is watched.
        tell: Told the progress.
        keep: Given what there is after each part.
    """
    result: dict[str, Any] = {"small_call_bytes": len(_small(0)), "intake": _intake(tell)}
    result["endurance"] = _endurance(endurance_calls, tell)
    if calls:
        result["real"] = _real(calls, profile, tell)
    keep(result)
    result["scaling"] = _scaling(tell)
    keep(result)


def _small(seed: int) -> bytes:
    """A call of some 20 KB."""
    return make_call(seed, seconds=SMALL_S).content


def _intake(tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Pushes alone: no worker runs."""
    rows = []
    for clients in CONCURRENCIES:
        with _running(workers=0, settings=_SETTINGS) as system:
            began = time.monotonic()
            waits = _push(system, clients, until_s=INTAKE_S)
            took_s = time.monotonic() - began
            rows.append(
                {
                    "clients": clients,
                    "pushes": len(waits),
                    "per_s": round(len(waits) / took_s, 1),
                    "p50_ms": round(1000 * _percentile(waits, 50), 1),
                    "p99_ms": round(1000 * _percentile(waits, 99), 1),
                }
            )
        tell(f"load: {clients} clients, {rows[-1]['per_s']} pushes/s")
    return rows


def _endurance(n_calls: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Many small calls through everything, with memory looked at all the way."""
    with _running(workers=1, settings={**_SETTINGS, "workers": 1}) as system:
        ledger, clock = system.service().ledger, system.service().clock
        samples: list[dict[str, Any]] = []
        done = threading.Event()

        def push() -> None:
            waits.extend(_push(system, 2, until_s=ENDURANCE_S, n_calls=n_calls, granted=GRANTED))
            done.set()

        waits: list[float] = []
        began = time.monotonic()
        thread = threading.Thread(target=push)
        thread.start()
        settled = 0
        next_sample = 0
        while not done.is_set() or settled < len(waits):
            time.sleep(0.5)
            counts = ledger.counts(now=clock.now()).by_state
            settled = sum(counts[state] for state in FINAL)
            if settled >= next_sample:
                samples.append({"calls": settled, **_memory(system)})
                next_sample += max(1, n_calls // 10)
                tell(f"load: {settled} of {n_calls} calls settled")
        took_s = time.monotonic() - began
        thread.join()
        samples.append({"calls": settled, **_memory(system)})
        return {
            "calls": len(waits),
            "granted_one_in": GRANTED,
            "published": counts[CallState.PUBLISHED],
            "seconds": round(took_s, 1),
            "settled_per_s": round(len(waits) / took_s, 1),
            "memory_mib": samples,
        }


def _scaling(tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Calls that lie there already, with engines that mostly wait."""
    rows = []
    for partitions, processes in SCALES:
        settings = {**_SETTINGS, "workers": processes, "partitions": partitions}
        with _running(workers=1, settings=settings, engine_s=ENGINE_S) as system:
            ledger, clock = system.service().ledger, system.service().clock
            _push(system, 2, n_calls=processes)  # until it is settled, all is loaded
            _until_settled(ledger, clock, processes)
            began = time.monotonic()
            _push(system, 2, n_calls=SCALE_CALLS)
            _until_settled(ledger, clock, SCALE_CALLS + processes)
            per_s = SCALE_CALLS / (time.monotonic() - began)
        rows.append({"partitions": partitions, "processes": processes, "settled_per_s": round(per_s, 2)})
        tell(f"load: {partitions} partitions, {processes} engine processes, {per_s:.2f} calls/s")
    return rows


def _real(calls: Sequence[Path], profile: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """The same calls again and again with the real engines."""
    source = load_config(profile).source
    lengths = [soundfile.info(path).duration for path in calls]
    with _running(workers=1, settings={}, profile=source) as system:
        service = system.service()
        client = Client(system.port, system.secret)
        _push_file(client, calls[0])
        _until_settled(service.ledger, service.clock, 1)
        began, pushed = time.monotonic(), 0
        while time.monotonic() - began < REAL_S:
            counts = service.ledger.counts(now=service.clock.now()).by_state
            if sum(counts[state] for state in CallState if state not in FINAL) < 2:
                _push_file(client, calls[pushed % len(calls)])
                pushed += 1
            time.sleep(0.2)
        settled_s = 0.0
        for call in service.ledger.calls(state=CallState.PUBLISHED, limit=1000):
            settled_s += call.duration_s or 0.0
        took_s = time.monotonic() - began
        settled_s -= lengths[0]
        memory = _memory(system)
    tell(f"load: {settled_s:.0f} s of audio in {took_s:.0f} s")
    return {
        "calls": [path.stem for path in calls],
        "seconds": round(took_s, 1),
        "audio_s": round(settled_s, 1),
        "hours_per_hour": round(settled_s / took_s, 2),
        "memory_mib": memory,
    }


def _push_file(client: Client, path: Path) -> None:
    metadata = {"call_id": f"real-{secrets.token_hex(6)}", "consent": "granted", "language": "en"}
    audio, key = path.read_bytes(), secrets.token_hex(8)
    # The server has closed a connection that lay idle while the last call was heard.
    end = time.monotonic() + 60
    answer = client.until_answered(lambda: client.push(metadata, audio, key), end)
    if answer.status not in (200, 201):
        raise RuntimeError(f"a push was answered with {answer.status}")


def _push(
    system: System, clients: int, *, until_s: float = 600.0, n_calls: int = 1_000_000, granted: int = 1
) -> list[float]:
    """Push with several clients, for a time or up to a number; returns how long each push took."""
    shares = [n_calls // clients + (number < n_calls % clients) for number in range(clients)]
    processes = min(clients, 2)
    waits: list[float] = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        groups = [shares[number::processes] for number in range(processes)]
        futures = [
            pool.submit(_push_in_threads, system.port, system.secret, group, until_s, granted)
            for group in groups
        ]
        for future in futures:
            waits += future.result()
    return waits


def _push_in_threads(port: int, secret: str, shares: list[int], until_s: float, granted: int) -> list[float]:
    waits: list[float] = []
    failed: list[int] = []
    bodies = [_small(number) for number in range(8)]
    end = time.monotonic() + until_s

    def one(share: int) -> None:
        client, n_done = Client(port, secret), 0
        while n_done < share and time.monotonic() < end:
            flag = "denied" if n_done % granted else "granted"
            metadata = {"call_id": f"load-{secrets.token_hex(8)}", "consent": flag, "language": "en"}
            # No two recordings are the same: a client that repeats itself would be taken for one.
            audio = bodies[n_done % len(bodies)] + secrets.token_bytes(8)
            began = time.monotonic()
            status = client.push(metadata, audio, secrets.token_hex(8)).status
            waits.append(time.monotonic() - began)
            if status != 201:
                failed.append(status)
                return
            n_done += 1

    threads = [threading.Thread(target=one, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"pushes were answered with {failed}")
    return waits


def _until_settled(ledger: Any, clock: Any, n_calls: int) -> None:
    end = time.monotonic() + 600
    while time.monotonic() < end:
        counts = ledger.counts(now=clock.now()).by_state
        if sum(counts[state] for state in FINAL) >= n_calls:
            return
        time.sleep(0.1)
    raise RuntimeError("calls were not settled in time")


def _memory(system: System) -> dict[str, float]:
    worker = system.worker_names[0]
    pids = {"api": system.pid("api"), "worker": system.pid(worker), "broker": system.pid("broker")}
    found = {name: round(rss_mib(pid), 1) for name, pid in pids.items() if pid is not None}
    return found | {"engines": round(sum(map(rss_mib, system.engines(worker))), 1)}


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


@contextmanager
def _running(
    *, workers: int, settings: dict[str, Any], engine_s: float = 0.0, profile: Path | None = None
) -> Iterator[System]:
    with TemporaryDirectory(prefix="callveil-load-") as folder:
        system = System(
            Path(folder) / "system",
            settings=settings,
            workers=workers,
            engine_s=engine_s,
            profile=profile,
        )
        try:
            system.start()
            yield system
        finally:
            system.stop()
