"""The hub source for real, against a small server that answers as the hub does."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from callveil.adapters.model_manifests import ModelManifest
from callveil.adapters.model_pull import pulling
from callveil.adapters.models import ModelFolder
from callveil.errors import ModelError

pytest.importorskip("huggingface_hub")

CONTENT = bytes(range(256)) * 40
REVISION = "0" * 40


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self):
        if self.path != f"/owner/name/resolve/{REVISION}/inner/model.bin":
            self.send_response(404)
            self.end_headers()
            return
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{self.server.server_port}/storage")
        self.send_header("X-Linked-Size", str(len(CONTENT)))
        self.send_header("X-Linked-Etag", '"x"')
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        if self.path != "/storage":
            self.send_response(404)
            self.end_headers()
            return
        self.server.asked.append((self.headers.get("Range"), self.headers.get("Authorization")))
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if begin >= len(CONTENT):
            self.send_response(416)
            self.end_headers()
            return
        left = CONTENT[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(left)))
        self.end_headers()
        self.wfile.write(left[: self.server.cut_after])

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(monkeypatch, cut_after=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.cut_after = [], cut_after
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("NO_PROXY", "*")
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def open_models(tmp_path, inner="inner/model.bin", gated=False):
    hub = {"kind": "hub", "repo": "owner/name", "revision": REVISION, "gated": gated}
    manifest = ModelManifest.model_validate(
        {
            "name": "tiny",
            "role": "entities",
            "summary": "A test",
            "licence": "MIT",
            "credit": "Nobody",
            "origin": "https://example.org",
            "languages": [],
            "files": [
                {"path": "model.bin", "sha256": hashlib.sha256(CONTENT).hexdigest(), "bytes": len(CONTENT)}
            ],
            "sources": [{**hub, "files": {"model.bin": inner}}],
        }
    )
    return ModelFolder(tmp_path / "models", {"tiny": manifest})


def pull(models):
    with pulling(models) as puller:
        return puller.pull("tiny")


def test_a_cut_download_goes_on_by_range_and_the_token_stays_with_the_hub(tmp_path, monkeypatch):
    models = open_models(tmp_path)
    with serving(monkeypatch, cut_after=4000) as server:
        assert pull(models) == {"model.bin": "hub owner/name"}
    assert [span for span, _ in server.asked] == [None, "bytes=4000-", "bytes=8000-"]
    assert {token for _, token in server.asked} == {None}
    assert (models.root / "tiny" / "model.bin").read_bytes() == CONTENT
    assert {path.name for path in models.root.iterdir()} == {"tiny", ".lock"}


def test_a_second_run_goes_on_where_the_first_was_cut(tmp_path, monkeypatch):
    models = open_models(tmp_path)
    with serving(monkeypatch, cut_after=100) as server:
        with pytest.raises(ModelError, match="hub owner/name: HTTPException: the connection was cut 5 times"):
            pull(models)
        server.cut_after = None
        pull(models)
        assert server.asked[-1][0] == "bytes=500-"
    assert (models.root / "tiny" / "model.bin").read_bytes() == CONTENT


def test_a_part_that_is_no_beginning_of_the_file_is_thrown_away(tmp_path, monkeypatch):
    models = open_models(tmp_path)
    part = models.root / ".cache" / "hub" / f"owner--name-{REVISION}" / "inner" / "model.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"more")
    with serving(monkeypatch):
        pull(models)
    assert (models.root / "tiny" / "model.bin").read_bytes() == CONTENT


def test_a_missing_file_is_an_error_of_one_line(tmp_path, monkeypatch):
    with serving(monkeypatch), pytest.raises(ModelError) as caught:
        pull(open_models(tmp_path, inner="other.bin", gated=True))
    head, reason = str(caught.value).splitlines()
    assert head == "model tiny: no source gave model.bin"
    assert reason.startswith("  hub owner/name: ")
    assert "404" in reason
    assert "hf_secret" not in reason
