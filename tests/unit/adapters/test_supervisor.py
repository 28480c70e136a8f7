"""Processes that belong together: started, started again, stopped."""

import os
import signal
import sys
import time

import pytest

from callveil.adapters import supervisor
from callveil.adapters.supervisor import Part, Supervisor


def when(condition, timeout_s=10.0):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def part(name, code):
    return Part(name, [sys.executable, "-c", code], dict(os.environ))


@pytest.fixture
def team(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_QUICK_S", 0.0)
    team = Supervisor(tmp_path / "logs")
    yield team
    team.stop(2.0)


def test_what_died_is_started_again(team):
    team.start(part("sleeper", "import time; print('up', flush=True); time.sleep(60)"))
    first = team.parts[0].pid
    os.kill(first, signal.SIGKILL)
    assert when(lambda: team.parts[0].pid is None)
    team.look()
    assert team.parts[0].pid not in (None, first)
    assert team.parts[0].restarts == 1


def test_what_is_said_goes_into_a_log(team, tmp_path):
    team.start(part("speaker", "print('hello'); import time; time.sleep(60)"))
    log = tmp_path / "logs" / "speaker.log"
    team.start(part("other", "import time; time.sleep(60)"))
    assert when(lambda: log.exists())


def test_all_are_stopped_and_the_stubborn_killed(team):
    team.start(part("meek", "import time; time.sleep(60)"))
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    team.start(part("stubborn", stubborn))
    time.sleep(0.5)
    team.stop(1.0)
    assert [each.pid for each in team.parts] == [None, None]


def test_a_killed_supervisor_leaves_nothing_behind(tmp_path):
    code = (
        "import sys, time, os, pathlib\n"
        "from callveil.adapters.supervisor import Part, Supervisor\n"
        f"team = Supervisor(pathlib.Path({str(tmp_path)!r}))\n"
        "team.start(Part('child', [sys.executable, '-c', 'import time; time.sleep(60)'], dict(os.environ)))\n"
        "print(team.parts[0].pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    import subprocess

    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    assert when(lambda: not os.path.exists(f"/proc/{child}") or "Z" in status(child))


def status(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split(")")[1].split()[0]
    except OSError:
        return "Z"
