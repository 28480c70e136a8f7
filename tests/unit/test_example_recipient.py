"""The example of a recipient understands what Callveil sends, and nobody else."""

import importlib.util
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callveil.adapters.webhook import post_notice
from callveil.stages.documents.notice import notice_json
from callveil.vocabulary.rights import Notice, NoticeState, Recipient

FILE = Path(__file__).parents[2] / "deploy" / "recipient" / "receiver.py"
SECRET = "s" * 32


@pytest.fixture
def running(tmp_path):
    spec = importlib.util.spec_from_file_location("example_receiver", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.Receiver(0, SECRET.encode(), tmp_path / "told.json")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def send(server, *, secret=SECRET, now=None):
    moment = datetime.now(UTC)
    notice = Notice(
        notice_id="ntc-000000000001",
        recipient="crm",
        request_id="req-000000000001",
        event="erasure",
        call_ids=("c-1", "c-2"),
        state=NoticeState.WAITING,
        attempts=0,
        next_at=moment,
        due_at=moment,
    )
    recipient = Recipient(
        name="crm", kind="crm", url=f"http://127.0.0.1:{server.server_port}/forget", secret=secret
    )
    return post_notice(recipient, notice_json(notice), now or moment)


def test_a_notice_is_taken_once_and_confirmed_each_time(running):
    first, again = send(running), send(running)
    assert first.receipt == again.receipt == "done-ntc-000000000001"
    told = json.loads(running.file.read_text())
    assert [each["call_ids"] for each in told.values()] == [["c-1", "c-2"]]


def test_others_and_old_notices_are_refused(running):
    assert send(running, secret="t" * 32).problem == "HTTP 401"
    assert send(running, now=datetime.now(UTC) - timedelta(hours=1)).problem == "HTTP 401"
    assert not running.file.exists()
