"""Many threads and processes on one ledger, and processes and servers that die in the middle."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from callveil.adapters.ledger_sql import open_ledger
from callveil.errors import LeaseLostError, LedgerError, RefusedError
from callveil.testing import call
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState, NewCall, Settlement, Topic

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
S = CallState
DENIED = ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.DENIED)

_HEAD = """
import sys
from datetime import UTC, datetime
from callveil.adapters.ledger_sql import open_ledger
from callveil.testing import call
from callveil.vocabulary.ledger import NewCall

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
url, name = sys.argv[1:]

def say(text):
    print(text, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def processes(url, script, *names):
    """Programs that run a script; each waits at `say` until it is told to go on."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _HEAD + script, url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    try:
        for each in started:
            assert each.stdout.readline() == "ready\n", each.stderr.read()
        for each in started:
            each.stdin.write("\n")
            each.stdin.flush()
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def outcomes(url, script, *names):
    """What each process printed in the end."""
    with processes(url, script, *names) as started:
        ended = [each.communicate(timeout=60) for each in started]
    assert [errors for _, errors in ended] == [""] * len(names)
    return [output for output, _ in ended]


def new(call_id, landing="l", content="a" * 64):
    return NewCall(call=call(call_id), landing=landing, source="push", content_sha256=content, n_bytes=1)


def together(n_threads, work):
    """Run work(index) in threads that begin at the same moment."""
    barrier = threading.Barrier(n_threads)

    def run(index):
        barrier.wait()
        return work(index)

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(run, range(n_threads)))


def check_whole(place, ledger):
    """Every call has its event and its entries, and the chain holds."""
    assert ledger.check_audit() is None
    ids = [row.call_id for row in place.sql("SELECT call_id FROM calls ORDER BY call_id")]
    received = place.sql("SELECT call_id FROM audit WHERE action = 'call.received' ORDER BY call_id")
    assert [row.call_id for row in received] == ids
    owing = "SELECT call_id FROM calls WHERE state IN ('received', 'kept') AND sent_at IS NULL AND last_event"
    assert place.sql(f"{owing} NOT IN (SELECT event_id FROM outbox)") == []
    return ids


def test_the_same_call_taken_in_at_once_is_one(place):
    ledger = place.open()
    for round_number in range(5):
        call_id = f"c-{round_number}"
        results = together(
            6, lambda index, name=call_id: ledger.accept(new(name, f"l-{index}"), actor="a", now=NOW)
        )
        assert sum(is_new for _, is_new in results) == 1
        assert len({got.landing for got, _ in results}) == 1
    assert len(check_whole(place, ledger)) == 5
    assert ledger.counts(now=NOW).unsent == 5


def test_one_key_for_two_calls_at_once_stands_for_one(place):
    ledger = place.open()

    def work(index):
        wanted = NewCall(
            call=call(f"c-{index}"),
            landing=f"l-{index}",
            source="push",
            content_sha256=str(index % 2) * 64,
            n_bytes=1,
            idempotency_key="k",
        )
        try:
            return ledger.accept(wanted, actor="a", now=NOW)[1]
        except RefusedError:
            return None

    results = together(6, work)
    assert results.count(True) == 1
    assert results.count(None) == 3
    assert len(check_whole(place, ledger)) == 1


def test_a_live_call_begins_once(place):
    ledger = place.open()

    def work(index):
        live = NewCall(call=call("c-1"), landing=f"l-{index}", source="twilio", stream="ulaw/8000/2")
        try:
            return ledger.accept(live, actor="a", now=NOW)[1]
        except RefusedError:
            return None

    assert Counter(together(5, work)) == {True: 1, None: 4}


def test_of_threads_that_race_for_a_claim_one_wins(place):
    ledger = place.open()
    for index in range(5):
        ledger.accept(new(f"c-{index}"), actor="a", now=NOW)
        claims = together(
            6, lambda n, name=f"c-{index}": ledger.claim(name, owner=f"w-{n}", lease_s=60, now=NOW)
        )
        assert sum(claim is not None for claim in claims) == 1


_RACE = """
ledger = open_ledger(url)
say("ready")
print(*[n for n in range(30) if ledger.claim(f"c-{n}", owner=name, lease_s=60, now=NOW) is not None])
"""


def test_of_processes_that_race_for_a_claim_one_wins(place):
    ledger = place.open()
    for n in range(30):
        ledger.accept(new(f"c-{n}"), actor="a", now=NOW)
    won = " ".join(outcomes(place.url, _RACE, "a", "b")).split()
    assert sorted(won, key=int) == [str(n) for n in range(30)]


_OPEN = """
say("ready")
print(len(open_ledger(url).calls()))
"""


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_processes_that_make_a_ledger_together(kind, tmp_path, request):
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/new/ledger.sqlite3"
    else:
        url = request.getfixturevalue("postgres_server").new_database()
    assert outcomes(url, _OPEN, "a", "b", "c", "d") == ["0\n"] * 4


_ACCEPT_FOR_EVER = """
ledger = open_ledger(url)
say("ready")
for n in range(int(name), 1_000_000):
    new = NewCall(call=call(f"c-{n:06}"), landing="l", source="push", content_sha256="a" * 64, n_bytes=1)
    ledger.accept(new, actor="a", now=NOW)
    if n == int(name) + 20:
        print("in the middle", flush=True)
"""


def test_a_process_killed_in_the_middle_leaves_whole_changes(place):
    ledger = place.open()
    total = 0
    for round_number in range(3):
        with processes(place.url, _ACCEPT_FOR_EVER, str(total)) as (victim,):
            assert victim.stdout.readline() == "in the middle\n"
            time.sleep(0.05 * round_number + 0.037)
            victim.kill()
            victim.wait()
        ids = check_whole(place, ledger)
        assert len(ids) > total + 20
        assert ids == [f"c-{n:06}" for n in range(len(ids))]
        assert ledger.counts(now=NOW).unsent == len(ids)
        total = len(ids)
    ledger.accept(new("after"), actor="a", now=NOW)
    assert ledger.check_audit() is None


@pytest.mark.postgresql
@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_the_server_restarts_in_the_middle_of_work(place, mode):
    ledger = place.open()
    stop = threading.Event()
    fates = Counter()

    def work(index):
        n = 0
        while not stop.is_set():
            call_id = f"c-{index}-{n}"
            n += 1
            try:
                _, is_new = ledger.accept(new(call_id, f"l-{index}-{n}"), actor="a", now=NOW)
                claim = ledger.claim(call_id, owner=f"w-{index}", lease_s=60, now=NOW)
                done = ledger.settle(claim, Settlement(state=S.KEPT), now=NOW)
                fates["done" if is_new and done.state is S.KEPT else "wrong"] += 1
            except LedgerError:
                fates["failed"] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            time.sleep(0.3)
            place.server.stop(mode=mode)
            place.server.start()
            before = fates["done"]
            deadline = time.monotonic() + 20
            while fates["done"] < before + 8 and time.monotonic() < deadline:
                time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    # A claim or settlement whose commit went unseen counts once: nobody lost a lease to himself.
    assert set(fates) <= {"done", "failed"}
    assert fates["done"] >= 16
    check_whole(place, ledger)
    kept = place.sql("SELECT count(*) AS n FROM calls WHERE state = 'kept'")[0].n
    assert kept >= fates["done"]
    assert len(place.sql("SELECT * FROM audit WHERE action = 'call.kept'")) == kept


@pytest.mark.postgresql
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_end_was_not_seen_counts_once(place, committed):
    ledger = place.open()
    ledger.accept(new("c-1"), actor="a", now=NOW)
    claim = ledger.claim("c-1", owner="w", lease_s=60, now=NOW)
    broken = []

    def break_once(connection):
        if not broken:
            broken.append(connection)
            dbapi = connection.connection.dbapi_connection
            pid = dbapi.info.backend_pid
            if committed:
                dbapi.commit()
            place.sql("SELECT pg_terminate_backend(:pid)", pid=pid)

    sa.event.listen(ledger._database.engine, "commit", break_once)
    got = ledger.settle(claim, Settlement(state=S.KEPT), now=NOW)
    assert got.state is S.KEPT
    assert broken
    assert ledger.get("c-1").state is S.KEPT
    assert [entry.action for entry in ledger.audit()] == ["call.received", "call.kept"]
    check_whole(place, ledger)


@pytest.mark.postgresql
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_server_that_stays_away_is_an_error_without_secrets(place):
    ledger = place.open()
    place.server.stop()
    try:
        with pytest.raises(LedgerError) as caught:
            ledger.get("c-1")
        assert str(place.server.folder) not in str(caught.value)
        assert caught.value.__cause__ is None
        with pytest.raises(LedgerError):
            open_ledger(place.url.replace("@", ":geheim@"))
        assert "geheim" not in str(caught.value)
    finally:
        place.server.start()
    assert ledger.calls() == ()


def _hammer(ledger, index, rng_state, tally):
    """One of many workers that take in, decide, redact, send and change their minds."""
    import random

    rng = random.Random(rng_state)
    for step in range(25):
        now = NOW + timedelta(seconds=step)
        call_id = f"c-{rng.randrange(8)}"
        owner = f"w-{index}"
        _, is_new = ledger.accept(new(call_id, f"l-{index}-{step}"), actor="a", now=now)
        tally["new"] += is_new
        if rng.random() < 0.2:
            ledger.record_consent(call_id, [DENIED], actor="a", now=now)
            tally["answers"] += 1
        claim = ledger.claim(call_id, owner=owner, lease_s=rng.choice([0.5, 60]), now=now)
        if claim is not None:
            tally["claims"] += 1
            targets = {S.RECEIVED: [S.KEPT, S.HELD, S.RECEIVED], S.PROCESSING: [S.PUBLISHED, S.KEPT]}
            to = rng.choice(targets[claim.found.state])
            try:
                ledger.settle(claim, Settlement(state=to, hold_until=now + timedelta(seconds=2)), now=now)
                tally["settled"] += 1
            except LeaseLostError:
                tally["lost"] += 1
        taken = ledger.take_events(owner=owner, limit=3, lease_s=60, now=now)
        for event in taken:
            tally[event.event_id] += 1
        ledger.mark_sent([event.event_id for event in taken], now=now)
        if rng.random() < 0.1:
            ledger.reemit(grace_s=1, now=now)


def test_threads_that_do_everything_at_once(place):
    ledger = place.open()
    tallies = [Counter() for _ in range(6)]
    together(6, lambda index: _hammer(ledger, index, index, tallies[index]))
    total = sum(tallies, Counter())
    assert total["new"] == len(check_whole(place, ledger))
    # Every event was sent by one sender, once: no lease ran out.
    assert {n for name, n in total.items() if len(name) == 36} == {1}
    (claims,) = place.sql("SELECT count(*) AS n, count(settled_at) AS settled FROM attempts")
    assert (claims.n, claims.settled) == (total["claims"], total["settled"])
    (versions,) = place.sql("SELECT sum(consent_version) AS n, sum(fence) AS fences FROM calls")
    assert (versions.n, versions.fences) == (total["answers"], total["claims"])
    left = ledger.take_events(owner="last", limit=1000, lease_s=60, now=NOW + timedelta(days=1))
    ledger.mark_sent([event.event_id for event in left], now=NOW)
    n_sent = sum(1 for name in total if len(name) == 36) + len(left)
    owed = "'call.received', 'call.kept', 'call.published', 'call.returned', 'call.retried',"
    owed += " 'call.reemitted', 'call.hold_ended', 'call.lease_ended'"
    (entries,) = place.sql(f"SELECT count(*) AS n FROM audit WHERE action IN ({owed})")
    answered = place.sql("SELECT * FROM audit WHERE action = 'consent.recorded'")
    assert entries.n <= n_sent <= entries.n + len(answered)
    assert {event.topic for event in left} <= set(Topic)
