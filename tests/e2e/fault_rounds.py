"""Rounds of faults: the real processes under real pushes, killed, starved and confused at random.

Each round pushes calls, breaks things meanwhile, then lets the service be, and looks at what became of every
call: `python tests/e2e/fault_rounds.py --rounds 50 --seed 7 --json rounds.json`. Exit code 1 when something
is wrong. What is wrong is told by call ids and counts, never by content.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(_ROOT / "src"), str(_ROOT / "tests" / "standin")]

import soundfile  # noqa: E402
from callveil_standin import orders  # noqa: E402
from callveil_standin.client import Answer, Client  # noqa: E402
from callveil_standin.system import System, is_alive, kill  # noqa: E402
from callveil_standin.tones import MARKER_WORD, MadeCall, make_call, tone_share  # noqa: E402

from callveil.adapters.broker import answers  # noqa: E402
from callveil.errors import LedgerError  # noqa: E402
from callveil.kit import Service  # noqa: E402
from callveil.vocabulary.ledger import CallState, LedgerCall  # noqa: E402

LEASE_S = 4.0
SETTLED_WITHIN_S = 150.0
SETTINGS = {
    "workers": 1,
    "live_calls": 0,
    "partitions": 4,
    "lease_s": LEASE_S,
    "retry_first_s": 0.2,
    "retry_longest_s": 2,
    "reconcile_every_s": 1,
    "reemit_after_s": 4,
    "landing_grace_s": 20,
}

KINDS = {
    "granted": CallState.PUBLISHED,
    "denied": CallState.DISCARDED,
    "unknown": CallState.HELD,
    "unknown, granted": CallState.PUBLISHED,
    "unknown, denied": CallState.DISCARDED,
    "granted, denied": CallState.DISCARDED,
    "broken": CallState.FAILED,
    "broken, denied": CallState.DISCARDED,
}
"""First answer, later answer; and where such a call must end. A broken one cannot be decoded."""

_SHARES = (6, 1, 1, 2, 1, 2, 1, 1)


@dataclass
class Pushed:
    """One call of a client, and what the client saw."""

    call_id: str
    kind: str
    made: MadeCall
    key: str
    later_s: float
    accepted: bool = False
    answered: bool = True
    statuses: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def metadata(self) -> dict[str, Any]:
        first = self.kind.partition(",")[0]
        return {"call_id": self.call_id, "consent": "granted" if first == "broken" else first}

    @property
    def later(self) -> str | None:
        return self.kind.partition(", ")[2] or None


def new_call(number: int, rng: random.Random) -> Pushed:
    """A call of a random kind."""
    (kind,) = rng.choices(list(KINDS), _SHARES)
    container = rng.choice(("WAV", "WAV", "FLAC"))
    made = make_call(rng.getrandbits(32), seconds=rng.uniform(1.8, 4), container=container)
    if kind.startswith("broken"):
        made = make_call(rng.getrandbits(32), container="FLAC")
        made = MadeCall(content=made.content[: len(made.content) * 2 // 3], needle=made.needle)
    return Pushed(f"c{number:05d}", kind, made, secrets.token_hex(8), later_s=rng.uniform(0, 7))


def play(pushed: Pushed, system: System, rng: random.Random, end: float) -> Pushed:
    """Push a call as a real client does, and answer later where its kind says so."""
    client = Client(system.port, system.secret)

    def push(audio: bytes) -> Answer:
        return client.until_answered(lambda: client.push(pushed.metadata, audio, pushed.key), end)

    time.sleep(rng.uniform(0, 6))
    answer = push(pushed.made.content)
    pushed.accepted = answer.status in (200, 201)
    if not pushed.accepted:
        pushed.wrong.append(f"push ended with {answer.status}")
    elif rng.random() < 0.3:
        again = push(pushed.made.content)
        if again.status != 200 or again.body.get("call_id") != pushed.call_id:
            pushed.wrong.append(f"the same push again ended with {again.status}")
    elif rng.random() < 0.2:
        other = push(make_call(rng.getrandbits(32)).content)
        if other.status != 409:
            pushed.wrong.append(f"another recording under the same key ended with {other.status}")
    if pushed.accepted and pushed.later is not None:
        time.sleep(pushed.later_s)
        flag = pushed.later
        answer = client.until_answered(lambda: client.consent(pushed.call_id, flag), end)
        pushed.answered = answer.status == 200
        if not pushed.answered:
            pushed.wrong.append(f"a later answer ended with {answer.status}")
    client.close()
    pushed.statuses = client.statuses
    return pushed


class Faults:
    """What is done to the system; every method returns whether it was felt."""

    def __init__(
        self,
        system: System,
        ledger: Any,
        rng: random.Random,
        server: Any | None,
        gateway: Gateway | None,
        has_small_disk: bool,
    ) -> None:
        self._system, self._ledger, self._rng, self._server = system, ledger, rng, server
        self._gateway = gateway
        self.orphans: set[int] = set()
        self.needles: list[bytes] = []
        self._n_orders = 0
        self.kinds: dict[str, Callable[[], bool]] = {
            "worker killed": self.worker_killed,
            "engine killed": self.engine_killed,
            "API killed in mid-upload": self.api_killed,
            "broker killed": self.broker_killed,
            "store away": self.store_away,
            "clock ahead": lambda: self.clock_off(45.0),
            "clock behind": lambda: self.clock_off(-45.0),
            "worker stopped beyond its lease": self.worker_stopped,
            "engine crashes": lambda: self._order("crash"),
            "engine hangs": lambda: self._order("hang", "9"),
            "engine fails": lambda: self._order("fail"),
            "all killed": self.all_killed,
            "API killed while it accepts": self.acceptor_killed,
        }
        if gateway is None:
            self.kinds["engine killed while it publishes"] = self.publisher_killed
        if has_small_disk:
            self.kinds["landing full"] = self.landing_full
        if server is not None:
            self.kinds["PostgreSQL crashes"] = self.postgresql_crashes

    def worker_killed(self) -> bool:
        name = self._rng.choice(self._system.worker_names)
        engines = self._engines([name])
        self.orphans |= set(engines)
        return bool(engines) and self._system.kill(name)

    def engine_killed(self) -> bool:
        names = self._rng.sample(self._system.worker_names, len(self._system.worker_names))
        engines = self._engines(names)
        return bool(engines) and kill(engines[0])

    def _engines(self, names: list[str]) -> list[int]:
        """Engine processes of these workers; one that was killed a moment ago has none yet."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if found := [pid for name in names for pid in self._system.engines(name)]:
                return found
            self._system.wait(0.2)
        return []

    def api_killed(self) -> bool:
        """In the middle of an upload that never ends; its call was never accepted."""
        client = Client(self._system.port, self._system.secret)
        n_sent: list[int] = []
        made = make_call(self._rng.getrandbits(32), seconds=4)
        call = {"call_id": f"never-{secrets.token_hex(4)}", "consent": "granted"}
        thread = threading.Thread(
            target=lambda: n_sent.append(client.drip(call, made.content, secrets.token_hex(8), 0.005))
        )
        thread.start()
        self._system.wait(self._rng.uniform(0.1, 0.8))
        killed = self._system.kill("api")
        thread.join()
        return killed and n_sent[0] > 0

    def broker_killed(self) -> bool:
        return self._system.kill("broker")

    def all_killed(self) -> bool:
        """As a power cut would, except for what the disk had not yet written."""
        names = [*self._system.worker_names, "api", "broker"]
        self.orphans |= {pid for name in self._system.worker_names for pid in self._system.engines(name)}
        return all([self._system.kill(name) for name in self._rng.sample(names, len(names))])

    def publisher_killed(self) -> bool:
        """Moments after something of a call appears in the store, finished or not."""
        store = self._system.data / "store"

        def seen() -> int:
            folders = (store / ".callveil" / "staging", *store.glob("calls/*/*/*"))
            return sum(1 for folder in folders for _ in _entries(folder))

        self._feed()
        if not self._until_changed(seen, 20.0):
            return False
        time.sleep(self._rng.uniform(0, 0.03))
        pids = [pid for name in self._system.worker_names for pid in self._system.engines(name)]
        return any([kill(pid) for pid in pids])

    def acceptor_killed(self) -> bool:
        """Moments after a recording appears in the landing: before, while or after its call is accepted."""
        client = Client(self._system.port, self._system.secret)
        call = {"call_id": f"brief-{secrets.token_hex(4)}", "consent": "denied"}
        made = make_call(self._rng.getrandbits(32))
        thread = threading.Thread(target=lambda: client.push(call, made.content, secrets.token_hex(8)))
        thread.start()
        landing = self._system.data / "landing"
        felt = self._until_changed(lambda: sum(1 for _ in _entries(landing)), 5.0)
        time.sleep(self._rng.uniform(0, 0.03))
        killed = self._system.kill("api")
        thread.join()
        return felt and killed

    def _until_changed(self, look: Callable[[], int], seconds: float) -> bool:
        before, end = look(), time.monotonic() + seconds
        self._system.supervisor.look()
        while time.monotonic() < end:
            now = look()
            if now > before:
                return True
            before = now
            time.sleep(0.002)
        return False

    def _feed(self) -> None:
        """Push a call of our own, so that there is something to fail."""
        made = make_call(self._rng.getrandbits(32))
        self.needles.append(made.needle)
        call = {"call_id": f"extra-{secrets.token_hex(4)}", "consent": "granted"}
        client, key = Client(self._system.port, self._system.secret), secrets.token_hex(8)
        end = time.monotonic() + 60
        push = partial(client.until_answered, lambda: client.push(call, made.content, key), end)
        threading.Thread(target=push, daemon=True).start()

    def store_away(self) -> bool:
        """The S3 gateway is killed, or a file lies where the store's folder was."""
        store, away = self._system.data / "store", self._system.data / "store-away"
        if self._gateway is not None:
            self._gateway.kill()
        else:
            store.mkdir(mode=0o700, exist_ok=True)
            store.rename(away)
            store.touch()
        try:
            self._feed()
            felt, end = False, time.monotonic() + 20
            while not felt and time.monotonic() < end:
                self._system.wait(0.3)
                felt = any(call.error_code == "store" for call in all_calls(self._ledger))
            self._system.wait(self._rng.uniform(0, 2))
        finally:
            if self._gateway is not None:
                self._gateway.start()
            else:
                store.unlink()
                away.rename(store)
        return felt

    def landing_full(self) -> bool:
        filler = self._system.data / "landing" / "filler"
        felt = False
        client = Client(self._system.port, self._system.secret)
        made = make_call(self._rng.getrandbits(32), seconds=30)
        try:
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            end = time.monotonic() + 5
            while not felt and time.monotonic() < end:
                call = {"call_id": f"full-{secrets.token_hex(4)}", "consent": "granted"}
                felt = client.push(call, made.content, secrets.token_hex(8)).status == 503
                self._system.wait(0.3)
            self._system.wait(self._rng.uniform(0, 2))
        finally:
            filler.unlink()
            client.close()
        return felt

    def clock_off(self, seconds: float) -> bool:
        """Signatures are good for 300 s, so one that is 280 s off the other way is refused now."""
        client = Client(self._system.port, self._system.secret)
        draft = self._system.clock_file.with_suffix(".draft")
        draft.write_text(str(seconds))
        draft.rename(self._system.clock_file)
        try:
            felt, end = False, time.monotonic() + 5
            while not felt and time.monotonic() < end:
                off = client.status("c00000", clock_off_s=-280 if seconds > 0 else 280)
                felt = off.status == 401
                self._system.wait(0.3)
            self._system.wait(self._rng.uniform(0, 4))
        finally:
            self._system.clock_file.unlink()
            client.close()
        return felt

    def worker_stopped(self) -> bool:
        """Longer than its lease lasts; then it goes on and must not do harm."""
        name = self._rng.choice(self._system.worker_names)
        engines = self._engines([name])
        pid = self._system.pid(name)
        if pid is None or not engines:
            return False
        stopped = [pid, *engines]
        for each in stopped:
            os.kill(each, signal.SIGSTOP)
        self._system.wait(LEASE_S * self._rng.uniform(1.2, 2.5))
        for each in stopped:
            if is_alive(each):
                os.kill(each, signal.SIGCONT)
        return len(stopped) > 1

    def postgresql_crashes(self) -> bool:
        assert self._server is not None
        self._server.stop(mode="immediate")
        self._system.wait(self._rng.uniform(0.5, 4))
        self._server.start()
        return True

    def _order(self, kind: str, content: str = "") -> bool:
        self._n_orders += 1
        order = f"{kind}-{self._n_orders}"
        orders.give(self._system.orders, order, content)
        self._feed()
        end = time.monotonic() + 25
        while time.monotonic() < end and not orders.is_obeyed(self._system.orders, order):
            self._system.wait(0.2)
        if orders.is_obeyed(self._system.orders, order):
            return True
        (self._system.orders / order).unlink(missing_ok=True)
        return orders.is_obeyed(self._system.orders, order)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        yield from os.scandir(folder)
    except OSError:
        return


def all_calls(ledger: Any) -> Iterator[LedgerCall]:
    after = None
    while page := ledger.calls(after=after, limit=500):
        yield from page
        after = page[-1].call_id


class Rounds:
    """Rounds over one system; the calls of earlier rounds are looked at again after each."""

    def __init__(
        self,
        system: System,
        service: Service,
        faults: Faults,
        rng: random.Random,
        gateway: Gateway | None,
        tell: Callable[[str], None],
    ) -> None:
        self._system, self._service, self._faults, self._gateway = system, service, faults, gateway
        self._rng, self._tell = rng, tell
        self._pushed: list[Pushed] = []
        self._order: list[str] = []
        self.rows: list[dict[str, Any]] = []

    def run(self, number: int, n_calls: int, n_faults: int) -> dict[str, Any]:
        """Push, break, wait, look."""
        began = time.monotonic()
        first = len(self._pushed)
        calls = [new_call(first + index, self._rng) for index in range(n_calls)]
        self._pushed += calls
        hits = []
        with ThreadPoolExecutor(6) as pool:
            playing = self._play(pool, calls)
            for name in self._next(n_faults):
                self._system.wait(self._rng.uniform(0.1, 1.5))
                in_hand = sum(not future.done() for future in playing) + self._n_open()
                felt = self._faults.kinds[name]()
                hits.append({"fault": name, "felt": felt, "in_hand": in_hand})
            while not all(future.done() for future in playing):
                self._system.wait(0.2)
            for future in playing:
                future.result()
        calm = time.monotonic()
        wrong = self._settle(calm + SETTLED_WITHIN_S)
        settled_s = time.monotonic() - calm
        wrong += [f"{call.call_id}: {what}" for call in calls for what in call.wrong]
        wrong += self._look(calls)
        row = {
            "round": number,
            "calls": dict(Counter(call.kind for call in calls)),
            "faults": hits,
            "settled_s": round(settled_s, 1),
            "seconds": round(time.monotonic() - began, 1),
            "statuses": dict(sorted(Counter(s for call in calls for s in call.statuses).items())),
            "wrong": wrong,
        }
        self.rows.append(row)
        told = ", ".join(hit["fault"] + ("" if hit["felt"] else " (not felt)") for hit in hits)
        self._tell(f"round {number}: {told}; settled after {settled_s:.1f} s; {len(wrong)} wrong")
        for line in wrong[:20]:
            self._tell(f"  {line}")
        return row

    def finish(self) -> list[str]:
        """Stop everything and look at the whole once more."""
        wrong = []
        done = self._system.callveil("audit", "verify", "--profile", str(self._system.profile))
        if done.returncode != 0:
            wrong.append(f"callveil audit verify: exit code {done.returncode}")
        workers = [pid for name in self._system.worker_names for pid in self._system.engines(name)]
        self._system.stop()
        end = time.monotonic() + 10
        while any(map(is_alive, workers)) and time.monotonic() < end:
            time.sleep(0.2)
        wrong += [f"an engine process outlived its worker: {pid}" for pid in workers if is_alive(pid)]
        return wrong + self._scan([needle for call in self._pushed for needle in [call.made.needle]])

    def _play(self, pool: ThreadPoolExecutor, calls: list[Pushed]) -> list[Future[Pushed]]:
        end = time.monotonic() + 120
        seeds = [self._rng.getrandbits(32) for _ in calls]
        return [
            pool.submit(play, call, self._system, random.Random(seed), end)
            for call, seed in zip(calls, seeds, strict=True)
        ]

    def _next(self, n_faults: int) -> list[str]:
        """Every kind comes before any comes again."""
        names = []
        while len(names) < n_faults:
            if not self._order:
                self._order = self._rng.sample(list(self._faults.kinds), len(self._faults.kinds))
            names.append(self._order.pop())
        return names

    def _n_open(self) -> int:
        try:
            counts = self._service.ledger.counts(now=self._service.clock.now()).by_state
        except LedgerError:
            return 0
        return sum(counts[state] for state in (CallState.RECEIVED, CallState.KEPT, CallState.PROCESSING))

    def _settle(self, end: float) -> list[str]:
        """Wait until every accepted call is where it must end, the outbox is sent, the landing is clean."""
        while left := self._unsettled():
            if time.monotonic() > end:
                return left
            self._system.wait(0.5)
        return []

    def _unsettled(self) -> list[str]:
        ledger = self._service.ledger
        found = {call.call_id: call for call in all_calls(ledger)}
        left = []
        for pushed in self._pushed:
            call = found.get(pushed.call_id)
            if not (pushed.accepted and pushed.answered):
                continue
            if call is None:
                left.append(f"{pushed.call_id}: accepted, and the ledger does not know it")
                continue
            wanted = KINDS[pushed.kind]
            if call.state is not wanted:
                left.append(
                    f"{call.call_id}: {pushed.kind}: is {call.state.value} ({call.error_code}, attempts"
                    f" {call.attempts}), not {wanted.value}: {call.reason}"
                )
            stays = wanted in (CallState.HELD, CallState.FAILED)
            if (call.landing is not None) != stays:
                left.append(
                    f"{call.call_id}: {pushed.kind}: audio in the landing: {call.landing is not None}"
                )
        counts = ledger.counts(now=self._service.clock.now())
        if n_open := self._n_open():
            left.append(f"{n_open} calls are still under way")
        if counts.unsent:
            left.append(f"{counts.unsent} events are not sent")
        kept = {call.landing for call in found.values() if call.landing}
        there = {path.stem for path in (self._system.data / "landing").iterdir() if path.suffix}
        left += [f"the landing holds {len(there - kept)} recordings of no call"] if there - kept else []
        left += [f"the landing has lost {len(kept - there)} recordings"] if kept - there else []
        return left

    def _look(self, fresh: list[Pushed]) -> list[str]:
        """What must be so once all is settled."""
        service, wrong = self._service, []
        found = {call.call_id: call for call in all_calls(service.ledger)}
        stored: dict[str, list[str]] = {}
        for prefix in service.store.list_calls():
            stored.setdefault(prefix.rstrip("/").rpartition("/")[2], []).append(prefix)
        published = {call_id for call_id, call in found.items() if call.state is CallState.PUBLISHED}
        if set(stored) != published:
            wrong.append(f"published without state or object: {sorted(set(stored) ^ published)}")
        entries = self._entries()
        for pushed in self._pushed:
            actions = entries.get(pushed.call_id, Counter())
            once = KINDS[pushed.kind] is CallState.PUBLISHED and len(stored.get(pushed.call_id, [])) == 1
            if pushed.kind == "granted" and not (once and actions["call.published"] == 1):
                n_found = (len(stored.get(pushed.call_id, [])), actions["call.published"])
                wrong.append(f"{pushed.call_id}: published {n_found} times")
            if actions["call.received"] != 1:
                wrong.append(f"{pushed.call_id}: received {actions['call.received']} times")
        wrong += self._objects(fresh, stored)
        wrong += self._versions(published) if self._gateway is not None else []
        orphans = [pid for pid in self._faults.orphans if is_alive(pid)]
        wrong += [f"{len(orphans)} engine processes outlived their workers"] if orphans else []
        self._faults.orphans.clear()
        leftovers = [p for p in (self._system.data / "store/.callveil/staging").rglob("*") if p.is_file()]
        wrong += [f"{len(leftovers)} files are left in the store's staging"] if leftovers else []
        if service.ledger.check_audit() is not None:
            wrong.append("the audit chain is broken")
        given = ["--store", self._system.store, "--profile", str(self._system.profile)]
        done = self._system.callveil("verify", "--all", *given)
        if published and done.returncode != 0:
            wrong.append(f"callveil verify: exit code {done.returncode}")
        return wrong + self._scan([*self._faults.needles, *(call.made.needle for call in fresh)])

    def _objects(self, fresh: list[Pushed], stored: dict[str, list[str]]) -> list[str]:
        wrong, store = [], self._service.store
        for pushed in fresh:
            for prefix in stored.get(pushed.call_id, []):
                names = sorted(item.key.removeprefix(prefix) for item in store.list_objects(prefix))
                if len(names) != 5:
                    wrong.append(f"{pushed.call_id}: {len(names)} parts")
                    continue
                samples, rate_hz = soundfile.read(io.BytesIO(store.get(f"{prefix}audio.flac")))
                if tone_share(samples, rate_hz) > 0.1:
                    wrong.append(f"{pushed.call_id}: the marker can be heard")
                if b"[PERSON]" not in store.get(f"{prefix}transcript.vtt"):
                    wrong.append(f"{pushed.call_id}: nothing was masked in the text")
        return wrong

    def _versions(self, published: set[str]) -> list[str]:
        """In a bucket: one version of each object of a published call, none of any other call."""
        assert self._gateway is not None
        wrong = []
        once = {call.call_id for call in self._pushed if call.kind == "granted"}
        versions = Counter(key for key, is_marker in self._gateway.versions() if not is_marker)
        for key, n_versions in versions.items():
            call_id = key.split("/")[-2]
            if "/calls/" in key and call_id not in published:
                wrong.append(f"{call_id}: {n_versions} versions of an object are left")
            if "/calls/" in key and call_id in once and n_versions != 1:
                wrong.append(f"{call_id}: {n_versions} versions of an object")
        return wrong

    def _entries(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        after = 0
        while page := self._service.ledger.audit(after=after, limit=1000):
            for entry in page:
                found.setdefault(entry.call_id or "", Counter())[entry.action] += 1
            after = page[-1].number
        return found

    def _scan(self, needles: list[bytes]) -> list[str]:
        """Look into every file for what was really said. `scan` is proven by the test beside this file."""
        # In another process: closing the ledger's file here would drop the locks that our ledger has on it.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = pool.submit(scan, self._system.folder, needles).result()
        return [f"raw audio or words in clear: {path}" for path in found]


def scan(folder: Path, needles: list[bytes]) -> list[str]:
    """Files that hold a needle or the marker word."""
    wanted = [*needles, MARKER_WORD.encode(), MARKER_WORD.lower().encode()]
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        except FileNotFoundError:
            continue
        if any(needle in content for needle in wanted):
            found.append(str(path.relative_to(folder)))
    return found


class Gateway:
    """An S3 server of our own with a bucket that locks; its gateway can be killed and started again."""

    def __init__(self) -> None:
        conftest = _conftest()
        if missing := [program for program in conftest._PROGRAMS if shutil.which(program) is None]:
            raise SystemExit(
                f"no S3 server: {', '.join(missing)} not installed; see deploy/test-s3/README.md"
            )
        # A longer path is too long for Ceph's sockets.
        self._folder = Path(tempfile.mkdtemp(prefix="cv-s3-", dir="/tmp"))
        self._port, mon_port = conftest._free_ports(2)
        subprocess.run(
            [str(conftest._SCRIPTS / "up.sh"), str(self._folder), str(self._port)],
            env={**os.environ, "MON_PORT": str(mon_port)},
            capture_output=True,
            check=True,
            timeout=240,
        )
        self._down = conftest._SCRIPTS / "down.sh"
        self._client = conftest.S3Server(
            endpoint=f"127.0.0.1:{self._port}",
            access_key="devaccess",
            secret_key="devsecret123",
            secure=False,
            region=None,
        ).client()
        self._client.make_bucket("faults", object_lock=True)
        self.store = "s3://faults/all"
        self.tables = f'[store.s3]\nendpoint = "127.0.0.1:{self._port}"\nsecure = false\n'
        self.variables = {"CALLVEIL_S3_ACCESS_KEY": "devaccess", "CALLVEIL_S3_SECRET_KEY": "devsecret123"}

    def versions(self) -> list[tuple[str, bool]]:
        found = self._client.list_objects("faults", recursive=True, include_version=True)
        return [(version.object_name, version.is_delete_marker) for version in found]

    def kill(self) -> None:
        kill(int((self._folder / "run" / "client.rgw.a.pid").read_text()))

    def start(self) -> None:
        command = ["radosgw", "-c", str(self._folder / "ceph.conf"), "-n", "client.rgw.a"]
        # It goes into the background and keeps what it inherits.
        with (self._folder / "log" / "rgw.out").open("ab") as output:
            subprocess.run(command, check=True, stdout=output, stderr=output, timeout=60)
        if not answers(self._port, 60):
            raise RuntimeError("the S3 gateway does not start again")

    def stop(self) -> None:
        subprocess.run([str(self._down), str(self._folder)], check=False, timeout=60)


def _small_disk(folder: Path) -> bool:
    """Mount a small tmpfs; False where that is not allowed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "callveil-fault-test", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def run(
    *,
    n_rounds: int,
    seed: int,
    n_calls: int,
    n_faults: int,
    ledger: str,
    store: str,
    only: list[str],
    keep: bool,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """All rounds; returns what is written as JSON."""
    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="callveil-faults-"))
    tell(f"seed {seed}, {n_rounds} rounds, ledger {ledger}, store {store}, folder {folder}")
    server, url, mounted = None, None, False
    gateway: Gateway | None = None
    system: System | None = None
    began = time.monotonic()
    try:
        if ledger == "postgresql":
            server = _postgresql(folder / "postgresql")
            server.start()
            url = server.new_database()
        if store == "s3":
            gateway = Gateway()
        system = System(
            folder / "system",
            settings=SETTINGS,
            workers=2,
            engine_s=0.25,
            ledger=url,
            has_clock=True,
            store=gateway.store if gateway else None,
            tables=gateway.tables if gateway else "",
            variables=gateway.variables if gateway else None,
        )
        mounted = _small_disk(system.data / "landing")
        system.start()
        service = system.service()
        faults = Faults(system, service.ledger, rng, server, gateway, mounted)
        faults.kinds = {name: kind for name, kind in faults.kinds.items() if not only or name in only}
        rounds = Rounds(system, service, faults, rng, gateway, tell)
        for number in range(1, n_rounds + 1):
            rounds.run(number, n_calls, n_faults)
        wrong = [what for row in rounds.rows for what in row["wrong"]] + rounds.finish()
        restarts = {part.name: part.restarts for part in system.supervisor.parts}
    finally:
        if system is not None:
            system.stop()
        if server is not None:
            server.stop(mode="immediate")
        if gateway is not None:
            gateway.stop()
        keep = keep or sys.exc_info()[0] is not None
        if mounted and not keep:
            subprocess.run(["umount", str(folder / "system" / "data" / "landing")], check=False)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    tried = Counter(hit["fault"] for row in rounds.rows for hit in row["faults"])
    felt = Counter(hit["fault"] for row in rounds.rows for hit in row["faults"] if hit["felt"])
    return {
        "seed": seed,
        "ledger": ledger,
        "store": store,
        "rounds": rounds.rows,
        "seconds": round(time.monotonic() - began),
        "faults": {name: {"tried": n, "felt": felt[name]} for name, n in sorted(tried.items())},
        "skipped": [] if mounted else ["landing full: mount is not allowed here"],
        "restarts": restarts,
        "wrong": wrong,
    }


def _postgresql(folder: Path) -> Any:
    programs = _conftest()._postgresql_programs()
    if programs is None:
        raise SystemExit("no PostgreSQL: see deploy/test-postgresql/README.md")
    folder.parent.chmod(0o711)
    folder.mkdir(mode=0o711)
    return _conftest().PostgresServer(programs, folder)


@cache
def _conftest() -> Any:
    """Where the tests have their servers from."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("callveil_conftest", _ROOT / "tests" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=None, help="drawn and printed when left out")
    parser.add_argument("--calls", type=int, default=14, help="pushed in a round")
    parser.add_argument("--faults", type=int, default=3, help="in a round")
    parser.add_argument("--ledger", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--store", choices=("folder", "s3"), default="folder")
    parser.add_argument("--only", action="append", default=[], help="kind of fault; may be given again")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    given = parser.parse_args()
    result = run(
        n_rounds=given.rounds,
        seed=secrets.randbelow(2**31) if given.seed is None else given.seed,
        n_calls=given.calls,
        n_faults=given.faults,
        ledger=given.ledger,
        store=given.store,
        only=given.only,
        keep=given.keep,
        tell=_tell,
    )
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    told = ("seed", "seconds", "faults", "restarts", "skipped", "wrong")
    _tell(json.dumps({key: result[key] for key in told}, indent=2))
    raise SystemExit(1 if result["wrong"] else 0)


if __name__ == "__main__":
    main()
