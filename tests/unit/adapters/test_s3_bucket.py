from __future__ import annotations

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from callveil.errors import ConfigError, MetadataError, NotFoundError, RefusedError, StoreError

pytest.importorskip("minio", reason="the extra s3 is not installed")

from callveil.adapters.s3_bucket import parse_retention
from callveil.adapters.s3_errors import s3_error
from callveil.adapters.store_s3 import S3Store

CALL = "calls/2026/11/23/c-1/"


def store(**changes):
    arguments = {
        "endpoint": "127.0.0.1:9",
        "bucket": "calls-bucket",
        "access_key": "public-half",
        "secret_key": "hunter2hunter2",
        "secure": False,
        "region": "us-east-1",
        "attempts": 1,
        "timeout_s": 2.0,
    }
    return S3Store(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-11-25T10:00:00Z", datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)),
        ("2026-11-25T10:00:00.000Z", datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)),
        ("2026-11-25T10:00:00.000000000Z", datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)),
        ("2026-11-25T10:00:00.000000001Z", datetime(2026, 11, 25, 10, 0, 1, tzinfo=UTC)),
        ("2026-12-31T23:59:59.5+00:00", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_retention_dates_of_all_servers_are_read(date, expected):
    answer = (
        f'<Retention xmlns="x"><Mode>GOVERNANCE</Mode><RetainUntilDate>{date}</RetainUntilDate></Retention>'
    )
    assert parse_retention(answer.encode()) == expected


def test_no_retention_date_and_a_strange_one():
    assert parse_retention(b"<Retention/>") is None
    with pytest.raises(ValueError, match="unknown form"):
        parse_retention(b"<Retention><RetainUntilDate>tomorrow</RetainUntilDate></Retention>")


@pytest.mark.parametrize(
    ("code", "kind", "is_permanent"),
    [
        ("NoSuchKey", NotFoundError, True),
        ("NoSuchBucket", ConfigError, True),
        ("InvalidAccessKeyId", ConfigError, True),
        ("AccessDenied", RefusedError, True),
        ("SlowDown", StoreError, False),
        ("InternalError", StoreError, False),
    ],
)
def test_codes_become_our_errors(code, kind, is_permanent):
    error = s3_error(code, "storing an object")
    assert type(error) is kind
    assert error.is_permanent is is_permanent
    assert str(error).startswith("storing an object: ")


def test_the_secret_is_not_printed():
    assert "hunter2" not in repr(store(prefix="a/b"))
    assert repr(store(prefix="/a/b/")) == "S3Store('127.0.0.1:9/calls-bucket/a/b/')"


@pytest.mark.parametrize(
    "endpoint", ["http://example.org", "example.org/path", "", "a b", "me:hunter2@example.org"]
)
def test_an_endpoint_that_is_none(endpoint):
    with pytest.raises(ConfigError, match="S3 endpoint") as caught:
        store(endpoint=endpoint)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("bucket", ["", "ab", "Capital", "under_score", "-a-b", "a/b", "x" * 64])
def test_a_bucket_that_is_none(bucket):
    with pytest.raises(ConfigError, match="S3 bucket"):
        store(bucket=bucket)


def test_a_prefix_that_is_none():
    with pytest.raises(MetadataError, match="key"):
        store(prefix="../a")


def test_nobody_listens():
    with pytest.raises(StoreError, match="cannot be reached"):
        store().get(CALL + "audio.flac")


class Answer(BaseHTTPRequestHandler):
    status, body = 200, b""

    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args):
        pass


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>private words"), (200, b""), (502, b"<html>private words"), (404, b"private words")],
)
def test_an_answer_that_is_not_s3_is_not_repeated(monkeypatch, status, body):
    monkeypatch.setattr(Answer, "status", status)
    monkeypatch.setattr(Answer, "body", body)
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with pytest.raises(StoreError) as caught:
                store(endpoint=f"127.0.0.1:{server.server_port}").get(CALL + "audio.flac")
        finally:
            server.shutdown()
            thread.join()
    assert "private" not in str(caught.value)
    assert "private" not in str(caught.value.__cause__)
