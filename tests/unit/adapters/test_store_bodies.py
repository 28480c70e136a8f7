from __future__ import annotations

import hashlib

import pytest

from callveil.adapters.store_bodies import body_size, check_bodies, open_body
from callveil.errors import StoreError
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart


def masked_file(tmp_path, content, **changes):
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    facts = {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content), **changes}
    return MaskedFile(**facts)


def read_all(body, size):
    with open_body(body) as reader:
        return b"".join(iter(lambda: reader.read(size), b""))


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("content", [b"", b"abc", b"abcdefg"])
def test_a_body_comes_out_whole(tmp_path, content, size):
    for body in (masked_file(tmp_path, content), MaskedDocument(content=content)):
        assert read_all(body, size) == content
        assert body_size(body) == len(content)


@pytest.mark.parametrize("changes", [{"n_bytes": 2}, {"n_bytes": 4}, {"sha256": "0" * 64}, {"n_bytes": 0}])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_last_bytes_of_a_wrong_body_are_kept_back(tmp_path, changes, size):
    body = masked_file(tmp_path, b"abc", **changes)
    given = []

    def read():
        with open_body(body) as reader:
            given.extend(iter(lambda: reader.read(size), b""))

    with pytest.raises(StoreError, match="not the one that was masked"):
        read()
    assert len(b"".join(given)) < max(body.n_bytes, 1)


def test_messages_do_not_name_the_file(tmp_path):
    body = masked_file(tmp_path, b"abc", path=tmp_path / "call-of-mrs-smith.flac")
    part = PublishedPart(part=Part.AUDIO, body=body, media_type="audio/flac")
    with pytest.raises(StoreError) as caught:
        check_bodies([part])
    assert "smith" not in str(caught.value)


def test_what_is_not_masked_is_refused():
    with pytest.raises(TypeError, match="bytes"), open_body(b"raw"):
        pass
