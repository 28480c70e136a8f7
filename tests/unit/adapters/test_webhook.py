"""Notices over HTTP: signed, told apart, and never trusted for more than a receipt."""

import json
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from callveil.adapters import webhook
from callveil.adapters.webhook import check_url, path_of, post_notice, sign_notice
from callveil.errors import ConfigError
from callveil.vocabulary.rights import Recipient

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
BODY = b'{"notice_id":"ntc-1"}\n'
SECRET = "s" * 32


@contextmanager
def server(status=200, content=b'{"receipt": "r-1"}', headers=()):
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), body))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", seen
    finally:
        running.shutdown()
        running.server_close()


def recipient(url):
    return Recipient(name="crm", kind="crm", url=url, secret=SECRET)


def test_a_receipt_confirms_and_the_request_is_signed():
    with server() as (url, seen):
        answer = post_notice(recipient(f"{url}/forget?tenant=1"), BODY, NOW)
    assert (answer.accepted, answer.receipt, answer.problem) == (True, "r-1", "")
    [(path, headers, body)] = seen
    assert (path, body) == ("/forget?tenant=1", BODY)
    assert headers["X-Callveil-Recipient"] == "crm"
    assert headers["X-Callveil-Timestamp"] == str(int(NOW.timestamp()))
    assert headers["X-Callveil-Signature"] == sign_notice(
        SECRET, headers["X-Callveil-Timestamp"], "/forget?tenant=1", BODY
    )


def test_the_signature_is_over_time_path_and_body():
    # printf 1./x.$(printf b | sha256sum | cut -c-64) | openssl dgst -sha256 -hmac ssss...
    assert sign_notice(SECRET, "1", "/x", b"b") == (
        "fd54410e1b9755b9427b2bdd1dda8fb91a65a7242c2dbbda5ba465d276ad184b"
    )
    signed = {
        sign_notice(SECRET, *rest)
        for rest in (("1", "/x", b"b"), ("2", "/x", b"b"), ("1", "/y", b"b"), ("1", "/x", b"c"))
    }
    assert len(signed) == 4


@pytest.mark.parametrize(
    ("status", "content", "accepted", "problem"),
    [
        (202, b"", True, ""),
        (202, b'{"receipt": "r"}', True, ""),
        (200, b"", False, "HTTP 200 without a receipt"),
        (200, b"[1]", False, "HTTP 200 without a receipt"),
        (200, b'{"receipt": 7}', False, "HTTP 200 without a receipt"),
        (200, b'{"receipt": " "}', False, "HTTP 200 without a receipt"),
        (200, b'{"receipt": "a\\u0007b"}', False, "HTTP 200 without a receipt"),
        (200, b"[" * 60000, False, "HTTP 200 without a receipt"),
        (204, b"", False, "HTTP 204 without a receipt"),
        (404, b'{"receipt": "r"}', False, "HTTP 404"),
        (503, b"secret words", False, "HTTP 503"),
        (200, b"x" * 70000, False, "TimeoutError"),
    ],
)
def test_what_is_no_receipt_confirms_nothing(status, content, accepted, problem):
    with server(status, content) as (url, _):
        answer = post_notice(recipient(url), BODY, NOW)
    assert (answer.accepted, answer.receipt, answer.problem) == (accepted, None, problem)


def test_no_redirect_is_followed():
    with server() as (other, seen), server(307, b"", [("Location", f"{other}/x")]) as (url, _):
        answer = post_notice(recipient(url), BODY, NOW)
    assert (answer.problem, seen) == ("HTTP 307", [])


def test_a_receipt_is_cut_short():
    with server(content=json.dumps({"receipt": "r" * 500}).encode()) as (url, _):
        assert post_notice(recipient(url), BODY, NOW).receipt == "r" * 200


def test_nobody_who_answers():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert post_notice(recipient(f"http://127.0.0.1:{port}/"), BODY, NOW).problem == "NewConnectionError"


def test_who_answers_drop_by_drop_is_given_up(monkeypatch):
    monkeypatch.setattr(webhook, "_WHOLE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert post_notice(recipient(url), BODY, NOW).problem == "took too long"


def test_a_url_that_is_not_allowed_is_not_called():
    assert post_notice(recipient("http://10.0.0.1/"), BODY, NOW).problem == "ConfigError"


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example",
        "https://crm.example:8443/a?b=c",
        "http://127.0.0.1:1/",
        "http://[::1]/",
        "http://localhost/x",
    ],
)
def test_allowed_urls(url):
    check_url(url, "url")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.example",
        "http://crm.example/",
        "ftp://crm.example/",
        "https:///x",
        "https://user:word@crm.example/",
        "https://crm.example/#x",
        "https://crm.example/ x",
        "https://crm.example:99999/",
        "http://127.0.0.1.example/",
        "https://crm\u00e9.example/",
    ],
)
def test_other_urls_are_refused_without_being_quoted(url):
    with pytest.raises(ConfigError) as caught:
        check_url(url, "recipient: url")
    assert "word" not in str(caught.value).split("allowed", 1)[0]


def test_the_path_that_is_signed_is_the_one_that_is_sent():
    assert [path_of(url) for url in ("https://a", "https://a/", "https://a/b?c=d")] == ["/", "/", "/b?c=d"]
