import json

import pytest
from typer.testing import CliRunner

from callveil.adapters.store_local import LocalStore
from callveil.cli import app
from callveil.errors import NotFoundError
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

PREFIX = "calls/2026/11/23/c-1/"
TRANSCRIPT = {"turns": [{"speaker": "agent", "start_s": 1.0, "words": [{"text": "hello"}]}]}


@pytest.fixture
def root(tmp_path):
    contents = {Part.TRANSCRIPT: json.dumps(TRANSCRIPT).encode(), Part.AUDIO: b"x", Part.CERTIFICATE: b"{}"}
    parts = [
        PublishedPart(part=part, body=MaskedDocument(content=content), media_type="x/y")
        for part, content in contents.items()
    ]
    LocalStore(tmp_path / "store").publish(PREFIX, parts, tags={}, retain_until=None)
    return tmp_path / "store"


def show(root, *more):
    return CliRunner().invoke(app, ["show", "c-1", "--store", str(root), *more])


def test_a_transcript_is_shown_without_its_audio(root):
    LocalStore(root).delete_parts(PREFIX, [Part.AUDIO])
    assert "hello" in show(root).output
    assert json.loads(show(root, "--json").output) == TRANSCRIPT


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_transcript_that_was_deleted_is_said_to_be(root, more):
    LocalStore(root).delete_parts(PREFIX, [Part.TRANSCRIPT])
    error = show(root, *more).exception
    assert isinstance(error, NotFoundError)
    assert "the transcript of this call was deleted" in str(error)


def test_a_transcript_that_is_missing_for_no_reason_is_not_excused(root):
    (root / PREFIX / Part.TRANSCRIPT).unlink()
    error = show(root).exception
    assert isinstance(error, NotFoundError)
    assert "deleted" not in str(error)
