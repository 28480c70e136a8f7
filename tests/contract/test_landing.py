"""Where raw audio waits: what comes out is what went in, or an error; and what is shredded is gone."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callveil.adapters import landing_folder
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landing_folder import LandingFolder
from callveil.adapters.landing_format import CHUNK_BYTES, HEADER_BYTES
from callveil.errors import ConfigError, LandingError, NotFoundError, TamperedError
from callveil.ports import KeyWrapper, Landing, LandingWriter
from callveil.testing import MemoryLanding

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
ABSENT = "0" * 32
OVERHEAD = 1 + 4 + 16
MARKER = b"four one one one, a spoken card number"
ONCE = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A landing under test, and how to look behind it."""

    landing: Any
    kind: str
    raw: Callable[[str], bytes]
    set_raw: Callable[[str, bytes], None]
    crash: Callable[[LandingWriter], None]
    with_wrapper: Callable[[KeyWrapper], Landing]
    age: Callable[[str, timedelta], None]


def open_folder(root: Path) -> Opened:
    def age(token: str, by: timedelta) -> None:
        at = (datetime.now(UTC) - by).timestamp()
        os.utime(root / f"{token}.audio", (at, at))

    def crash(writer: Any) -> None:
        os.close(writer._file)
        writer._file = None

    return Opened(
        landing=LandingFolder(root, LocalKeyWrapper(KEY)),
        kind="folder",
        raw=lambda token: (root / f"{token}.audio").read_bytes(),
        set_raw=lambda token, content: (root / f"{token}.audio").write_bytes(content) and None,
        crash=crash,
        with_wrapper=lambda wrapper: LandingFolder(root, wrapper),
        age=age,
    )


def open_memory() -> Opened:
    class Now:
        def now(self) -> datetime:
            return datetime.now(UTC)

    landing = MemoryLanding(wrapper=LocalKeyWrapper(KEY), clock=Now())

    def crash(writer: Any) -> None:
        landing.recordings[writer.token].is_being_written = False

    def age(token: str, by: timedelta) -> None:
        landing.recordings[token].changed_at -= by

    def set_raw(token: str, content: bytes) -> None:
        landing.recordings[token].content[:] = content

    return Opened(
        landing=landing,
        kind="memory",
        raw=lambda token: bytes(landing.recordings[token].content),
        set_raw=set_raw,
        crash=crash,
        with_wrapper=lambda wrapper: MemoryLanding(
            wrapper=wrapper, clock=landing.clock, recordings=landing.recordings
        ),
        age=age,
    )


@pytest.fixture(params=["folder", "memory"])
def opened(request, tmp_path) -> Opened:
    return open_folder(tmp_path / "landing") if request.param == "folder" else open_memory()


@pytest.fixture
def folder(tmp_path) -> Opened:
    return open_folder(tmp_path / "landing")


def land(landing: Any, *pieces: bytes, flush: bool = False):
    with landing.begin() as writer:
        for piece in pieces:
            writer.write(piece)
            if flush:
                writer.flush()
        return writer.finish()


def left_by_crash(opened: Opened, *pieces: bytes) -> str:
    """A recording of flushed pieces, whose writer died after them."""
    writer = opened.landing.begin()
    writer.__enter__()
    for piece in pieces:
        writer.write(piece)
        writer.flush()
    writer.write(b"never flushed")
    opened.crash(writer)
    return writer.token


def read(landing: Any, token: str, **how: Any) -> bytes:
    return b"".join(landing.read(token, **how))


def everything(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file() and path.name != ".lock")


@ONCE
@given(
    sizes=st.lists(
        st.one_of(
            st.integers(0, 3000),
            st.sampled_from([CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES]),
        ),
        max_size=5,
    ),
    flush=st.booleans(),
)
def test_what_comes_out_is_what_went_in(opened, sizes, flush):
    pieces = [os.urandom(size) for size in sizes]
    whole = b"".join(pieces)
    landed = land(opened.landing, *pieces, flush=flush)
    assert (landed.n_bytes, landed.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert read(opened.landing, landed.token) == whole
    assert read(opened.landing, landed.token, partial=True) == whole
    assert all(0 < len(piece) <= CHUNK_BYTES for piece in opened.landing.read(landed.token))
    assert opened.landing.is_finished(landed.token)
    assert opened.landing.finish_partial(landed.token) == landed


def test_every_flipped_byte_is_noticed(opened):
    token = land(opened.landing, b"abc", b"defgh", b"ij", flush=True).token
    raw = opened.raw(token)
    for at in range(len(raw)):
        for mask in (0x01, 0x80):
            opened.set_raw(token, raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :])
            with pytest.raises(LandingError):
                read(opened.landing, token)
    opened.set_raw(token, raw)
    assert read(opened.landing, token) == b"abcdefghij"


def test_every_cut_is_noticed_and_never_shows_more_than_was_written(opened):
    token = land(opened.landing, b"abc", b"defgh", b"ij", flush=True).token
    raw = opened.raw(token)
    for size in range(len(raw)):
        opened.set_raw(token, raw[:size])
        with pytest.raises(LandingError, match="not finished"):
            read(opened.landing, token)
        assert not opened.landing.is_finished(token)
        assert b"abcdefghij".startswith(read(opened.landing, token, partial=True))


def test_what_is_added_behind_the_end_is_noticed(opened):
    token = land(opened.landing, b"abc").token
    raw = opened.raw(token)
    for more in (b"\0", b"x" * 40, raw[HEADER_BYTES:]):
        opened.set_raw(token, raw + more)
        for how in ({}, {"partial": True}, {"follow": lambda: False}):
            with pytest.raises(TamperedError, match="added"):
                read(opened.landing, token, **how)
        with pytest.raises(TamperedError):
            opened.landing.finish_partial(token)


def records_of(raw: bytes, *sizes: int) -> list[bytes]:
    records, at = [raw[:HEADER_BYTES]], HEADER_BYTES
    for size in sizes:
        records.append(raw[at : at + size + OVERHEAD])
        at += size + OVERHEAD
    assert at == len(raw)
    return records


@pytest.mark.parametrize(
    "order", [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 1, 2, 3], [1, 2, 3], [0, 2, 3], [0, 1, 3], [3], [0, 3, 1, 2]]
)
def test_moved_doubled_and_dropped_pieces_are_noticed(opened, order):
    token = land(opened.landing, b"abcd", b"efgh", b"ijkl", flush=True).token
    header, *records = records_of(opened.raw(token), 4, 4, 4, 0)
    opened.set_raw(token, header + b"".join(records[each] for each in order))
    with pytest.raises(TamperedError):
        read(opened.landing, token)
    with pytest.raises(TamperedError):
        read(opened.landing, token, partial=True)


def test_a_piece_in_the_middle_cannot_pass_for_the_last(opened):
    token = land(opened.landing, b"abcd", b"efgh", flush=True).token
    header, first, *_ = records_of(opened.raw(token), 4, 4, 0)
    opened.set_raw(token, header + b"\x01" + first[1:])
    for how in ({}, {"partial": True}):
        with pytest.raises(TamperedError):
            read(opened.landing, token, **how)
    with pytest.raises(TamperedError):
        opened.landing.is_finished(token)


def test_a_recording_cannot_pass_for_another(opened):
    one, other = land(opened.landing, b"one").token, land(opened.landing, b"two").token
    opened.set_raw(one, opened.raw(other))
    with pytest.raises(TamperedError):
        read(opened.landing, one)
    renamed = bytearray(opened.raw(other))
    renamed[9:25] = bytes.fromhex(one)
    opened.set_raw(one, bytes(renamed))
    with pytest.raises(TamperedError):
        read(opened.landing, one)


def test_the_same_content_never_looks_the_same(opened):
    one, other = (opened.raw(land(opened.landing, b"abc").token)[HEADER_BYTES + 5 :] for _ in range(2))
    assert one != other


def test_without_the_wrapping_key_nothing_is_read(opened):
    landed = land(opened.landing, b"abc")
    stranger = opened.with_wrapper(LocalKeyWrapper(OTHER_KEY))
    for use in (lambda: read(stranger, landed.token), lambda: stranger.finish_partial(landed.token)):
        with pytest.raises(ConfigError, match="CALLVEIL_LANDING_OLD_KEYS"):
            use()
    heir = opened.with_wrapper(LocalKeyWrapper(OTHER_KEY, [KEY]))
    assert read(heir, landed.token) == b"abc"


def test_keys_are_wrapped_anew(opened):
    tokens = [land(opened.landing, b"abc").token for _ in range(3)]
    heir = opened.with_wrapper(LocalKeyWrapper(OTHER_KEY, [KEY]))
    tokens.append(land(heir, b"abc").token)
    assert heir.rewrap() == 3
    assert heir.rewrap() == 0
    only_new = opened.with_wrapper(LocalKeyWrapper(OTHER_KEY))
    assert [read(only_new, token) for token in tokens] == [b"abc"] * 4
    with pytest.raises(ConfigError):
        read(opened.landing, tokens[0])
    with pytest.raises(ConfigError):
        opened.landing.rewrap()


def test_what_is_shredded_is_gone(opened):
    landed, other = land(opened.landing, b"abc"), land(opened.landing, b"other")
    assert opened.landing.shred(landed.token)
    assert not opened.landing.shred(landed.token)
    for use in (
        lambda: read(opened.landing, landed.token),
        lambda: read(opened.landing, landed.token, partial=True),
        lambda: opened.landing.is_finished(landed.token),
        lambda: opened.landing.finish_partial(landed.token),
    ):
        with pytest.raises(NotFoundError):
            use()
    assert read(opened.landing, other.token) == b"other"
    assert list(opened.landing.tokens(datetime.now(UTC) + timedelta(days=1))) == [other.token]


@pytest.mark.parametrize("token", [ABSENT, "", "x", "../../etc/passwd", "a" * 31, "A" * 32, "\0" * 32])
def test_a_token_that_is_none_names_nothing(opened, token):
    land(opened.landing, b"abc")
    assert not opened.landing.shred(token)
    for use in (lambda: read(opened.landing, token), lambda: opened.landing.is_finished(token)):
        with pytest.raises(NotFoundError):
            use()


def test_leaving_without_finish_shreds(opened):
    with opened.landing.begin() as writer:
        writer.write(b"abc")
        writer.flush()
    with pytest.raises(NotFoundError):
        read(opened.landing, writer.token, partial=True)
    with pytest.raises(KeyError), opened.landing.begin() as failing:  # noqa: PT012
        failing.write(b"abc")
        raise KeyError
    with pytest.raises(NotFoundError):
        read(opened.landing, failing.token, partial=True)
    assert list(opened.landing.tokens(datetime.now(UTC) + timedelta(days=1))) == []


def test_an_error_after_finish_shreds_nothing(opened):
    with pytest.raises(KeyError), opened.landing.begin() as writer:  # noqa: PT012
        writer.write(b"abc")
        writer.finish()
        raise KeyError
    assert read(opened.landing, writer.token) == b"abc"


def test_a_finished_recording_takes_no_more(opened):
    with opened.landing.begin() as writer:
        writer.finish()
        for use in (lambda: writer.write(b"x"), writer.flush, writer.finish):
            with pytest.raises(RuntimeError):
                use()
    with pytest.raises(RuntimeError):
        writer.write(b"x")


def test_a_writer_whose_recording_was_shredded_cannot_finish(opened):
    with pytest.raises(NotFoundError), opened.landing.begin() as writer:  # noqa: PT012
        writer.write(b"abc")
        opened.landing.shred(writer.token)
        writer.finish()
    assert list(opened.landing.tokens(datetime.now(UTC) + timedelta(days=1))) == []


def test_an_unfinished_recording_is_read_only_when_asked_for(opened):
    with opened.landing.begin() as writer:
        writer.write(b"abc")
        writer.flush()
        writer.write(b"def")
        with pytest.raises(LandingError, match="not finished"):
            read(opened.landing, writer.token)
        assert read(opened.landing, writer.token, partial=True) == b"abc"
        assert not opened.landing.is_finished(writer.token)
        with pytest.raises(LandingError, match="still being written"):
            opened.landing.finish_partial(writer.token)
        writer.finish()
    assert read(opened.landing, writer.token) == b"abcdef"


def test_what_a_dead_writer_left_is_closed(opened):
    token = left_by_crash(opened, b"abc", b"defg")
    assert not opened.landing.is_finished(token)
    landed = opened.landing.finish_partial(token)
    assert (landed.n_bytes, landed.sha256) == (7, hashlib.sha256(b"abcdefg").hexdigest())
    assert read(opened.landing, token) == b"abcdefg"
    assert opened.landing.is_finished(token)
    raw = opened.raw(token)
    assert opened.landing.finish_partial(token) == landed
    assert opened.raw(token) == raw


def test_what_is_left_open_is_kept_for_who_closes_it(opened):
    with opened.landing.begin() as writer:
        writer.write(b"abc")
        writer.flush()
        writer.write(b"never flushed")
        writer.leave_open()
        with pytest.raises(RuntimeError):
            writer.write(b"x")
    assert opened.landing.finish_partial(writer.token).n_bytes == 3
    assert read(opened.landing, writer.token) == b"abc"


def test_leaving_open_what_was_shredded_brings_nothing_back(opened):
    with opened.landing.begin() as writer:
        opened.landing.shred(writer.token)
        writer.leave_open()
    assert list(opened.landing.tokens(datetime.now(UTC) + timedelta(days=1))) == []


def test_a_half_written_piece_is_left_out(opened):
    token = left_by_crash(opened, b"abc", b"defg")
    raw = opened.raw(token)
    for size in range(len(raw)):
        opened.set_raw(token, raw[:size])
        left = read(opened.landing, token, partial=True)
        landed = opened.landing.finish_partial(token)
        assert left == b"" if size < HEADER_BYTES + 3 + OVERHEAD else b"abc"
        assert landed.n_bytes == len(left)
        assert read(opened.landing, token) == left


@pytest.mark.parametrize("n_zeros", [1, 5, 16, 40, 5000, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("kept", [0, HEADER_BYTES, HEADER_BYTES + 3, HEADER_BYTES + 5 + 2, None])
def test_zeros_that_a_power_cut_leaves_are_left_out(opened, n_zeros, kept):
    token = left_by_crash(opened, b"abc" * 9)
    raw = opened.raw(token)[:kept]
    opened.set_raw(token, raw + bytes(n_zeros))
    assert not opened.landing.is_finished(token)
    landed = opened.landing.finish_partial(token)
    assert landed.n_bytes == (0 if kept is not None else 27)
    assert read(opened.landing, token) == b"abc" * 9 * (kept is None)


def test_a_changed_piece_of_an_unfinished_recording_is_noticed(opened):
    token = left_by_crash(opened, b"abc", b"defg")
    raw = bytearray(opened.raw(token))
    raw[HEADER_BYTES + 6] ^= 1
    opened.set_raw(token, bytes(raw))
    with pytest.raises(TamperedError):
        read(opened.landing, token, partial=True)
    with pytest.raises(TamperedError):
        opened.landing.finish_partial(token)
    assert opened.raw(token) == raw


def test_a_recovered_end_uses_no_nonce_of_its_writer(opened):
    """The dead writer may have sealed its own last piece, which the disk then lost."""
    with opened.landing.begin() as writer:
        writer.write(b"abc")
        writer.flush()
        before = opened.raw(writer.token)
        writer.finish()
    own_end = opened.raw(writer.token)[len(before) :]
    opened.set_raw(writer.token, before)
    opened.landing.finish_partial(writer.token)
    recovered_end = opened.raw(writer.token)[len(before) :]
    assert (own_end[0], recovered_end[0]) == (1, 2)
    opened.set_raw(writer.token, before + b"\x01" + recovered_end[1:])
    with pytest.raises(TamperedError):
        read(opened.landing, writer.token)


def test_tokens_are_those_nobody_has_written_to(opened):
    old, new = land(opened.landing, b"abc").token, land(opened.landing, b"abc").token
    opened.age(old, timedelta(hours=2))
    assert list(opened.landing.tokens(datetime.now(UTC) - timedelta(hours=1))) == [old]
    assert list(opened.landing.tokens(datetime.now(UTC) + timedelta(hours=1))) == sorted([old, new])
    assert list(opened.landing.tokens(datetime.now(UTC) - timedelta(hours=3))) == []


def test_tokens_are_not_those_whose_writer_lives(opened):
    """The machine slept, or its clock jumped, between two pieces, or before the call was accepted."""
    everything = datetime.now(UTC) + timedelta(days=1)
    with opened.landing.begin() as writer:
        writer.write(b"abc")
        assert list(opened.landing.tokens(everything)) == []
        writer.finish()
        assert list(opened.landing.tokens(everything)) == []
    assert list(opened.landing.tokens(everything)) == [writer.token]
    left = left_by_crash(opened, b"abc")
    assert list(opened.landing.tokens(everything)) == sorted([writer.token, left])


def test_who_follows_gets_everything_flushed_before_the_end(opened):
    ended = threading.Event()
    with opened.landing.begin() as writer:
        pieces = opened.landing.read(writer.token, follow=lambda: not ended.is_set())
        for text in (b"one", b"two"):
            writer.write(text)
            writer.flush()
            assert next(pieces) == text
        writer.write(b"three")
        writer.finish()
        ended.set()
    assert list(pieces) == [b"three"]


def test_who_follows_waits_a_little_and_not_for_ever(opened):
    waits: list[float] = []
    setattr(opened.landing, "_wait" if opened.kind == "folder" else "wait", waits.append)
    asked = iter([True, True, True, False])
    with opened.landing.begin() as writer:
        writer.write(b"abc")
        writer.flush()
        with pytest.raises(LandingError, match="not finished"):
            list(opened.landing.read(writer.token, follow=lambda: next(asked)))
        assert waits == [0.05] * 3
        asked = iter([True, False])
        assert read(opened.landing, writer.token, follow=lambda: next(asked), partial=True) == b"abc"


def test_who_follows_a_shredded_recording_is_told(opened):
    with opened.landing.begin() as writer:
        writer.write(b"abc")
        writer.flush()
        pieces = opened.landing.read(writer.token, follow=lambda: True)
        assert next(pieces) == b"abc"
        opened.landing.shred(writer.token)
        with pytest.raises(NotFoundError):
            next(pieces)


# From here on: what only a folder can show.

WRITER = """
import os, sys, time
from pathlib import Path
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landing_folder import LandingFolder

landing = LandingFolder(Path(sys.argv[1]), LocalKeyWrapper(b"k" * 32))
with landing.begin() as writer:
    print(writer.token, flush=True)
    for line in sys.stdin:
        writer.write(line.encode() * 7000)
        writer.flush()
        print("flushed", flush=True)
    writer.finish()
print("finished", flush=True)
"""


@pytest.fixture
def other_process(folder):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder.landing._root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        yield process
        process.kill()


def test_a_killed_writer_leaves_what_it_flushed(folder, other_process):
    token = other_process.stdout.readline().strip()
    other_process.stdin.write("abcdefghi\n")
    assert other_process.stdout.readline() == "flushed\n"
    with pytest.raises(LandingError, match="still being written"):
        folder.landing.finish_partial(token)
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait()
    landed = folder.landing.finish_partial(token)
    assert read(folder.landing, token) == b"abcdefghi\n" * 7000
    assert landed.n_bytes == 70000


def test_another_process_is_followed(folder, other_process):
    token = other_process.stdout.readline().strip()
    pieces = folder.landing.read(token, follow=lambda: True)
    other_process.stdin.write("a\n")
    assert next(pieces) == b"a\n" * 7000
    other_process.stdin.write("b\n")
    assert next(pieces) == b"b\n" * 7000
    other_process.stdin.close()
    assert list(pieces) == []
    assert other_process.stdout.read().endswith("finished\n")


@pytest.mark.parametrize("at", range(6))
def test_a_full_disk_is_an_error_and_leaves_nothing(folder, monkeypatch, at):
    real, calls = os.write, iter(range(1000))

    def full(file: int, content: bytes) -> int:
        number = next(calls)
        if number == at:
            return real(file, bytes(content[: len(content) // 2]))
        if number > at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, content)

    monkeypatch.setattr(landing_folder.os, "write", full)
    with pytest.raises(LandingError, match="No space left") as raised:
        land(folder.landing, bytes(CHUNK_BYTES * 3))
    assert not raised.value.is_permanent
    assert everything(folder.landing._root) == []


def test_a_failed_write_is_not_tried_again(opened, monkeypatch):
    """The same nonce would be used twice."""
    with opened.landing.begin() as writer:
        writer.write(b"abc")
        with monkeypatch.context() as patch:
            if opened.kind == "memory":
                opened.landing.room = 0
            else:
                patch.setattr(landing_folder.os, "write", lambda *_: (_ for _ in ()).throw(OSError(5, "I/O")))
            with pytest.raises(LandingError):
                writer.flush()
        opened.landing.room = None
        for use in (lambda: writer.write(b"x" * CHUNK_BYTES), writer.flush, writer.finish):
            with pytest.raises(LandingError, match="earlier write"):
                use()


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs more rights")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_small_disk_takes_what_fits_and_then_leaves_nothing_of_the_rest(small_disk):
    landing = LandingFolder(small_disk / "landing", LocalKeyWrapper(KEY))
    kept = land(landing, bytes(100_000))
    with pytest.raises(LandingError), landing.begin() as writer:  # noqa: PT012
        for _ in range(100):
            writer.write(os.urandom(10_000))
        writer.finish()
    with pytest.raises(LandingError):  # noqa: PT012
        for _ in range(100):
            land(landing, bytes(20_000))
    for token in list(landing.tokens(datetime.now(UTC) + timedelta(days=1))):
        assert landing.is_finished(token)
        if token != kept.token:
            assert landing.shred(token)
    assert everything(small_disk) == [f"{kept.token}.audio", f"{kept.token}.key"]
    assert read(landing, kept.token) == bytes(100_000)


def test_nothing_is_on_disk_in_clear(folder, tmp_path):
    landed = land(folder.landing, MARKER * 5000)
    token = left_by_crash(folder, MARKER, MARKER * 5000)
    folder.landing.finish_partial(token)
    heir = folder.with_wrapper(LocalKeyWrapper(OTHER_KEY, [KEY]))
    heir.rewrap()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5
    for path in files:
        content = path.read_bytes()
        assert MARKER[:8] not in content
        assert KEY not in content
        assert OTHER_KEY not in content
    assert read(heir, landed.token) == MARKER * 5000


def test_files_are_for_their_owner_only(folder, tmp_path):
    earlier = os.umask(0)
    try:
        land(folder.landing, b"abc")
        folder.with_wrapper(LocalKeyWrapper(OTHER_KEY, [KEY])).rewrap()
    finally:
        os.umask(earlier)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "landing"]}
    assert modes == {"landing": 0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "landing").iterdir()} == {0o600}


def test_a_shredded_key_is_overwritten_wherever_it_lay(folder):
    token = land(folder.landing, b"abc").token
    root = folder.landing._root
    before = (root / f"{token}.key").read_bytes()
    links = [root / f"{token}.key", root / ".draft"]
    (root / ".draft").write_bytes(before)  # left by a process that died while it wrapped anew
    handles = [os.open(path, os.O_RDONLY) for path in links]
    assert folder.landing.shred(token)
    assert [os.pread(handle, 1000, 0) for handle in handles] == [bytes(len(before))] * 2
    for handle in handles:
        os.close(handle)
    assert everything(root) == []


def test_an_earlier_wrapping_is_overwritten(folder):
    token = land(folder.landing, b"abc").token
    handle = os.open(folder.landing._root / f"{token}.key", os.O_RDONLY)
    folder.with_wrapper(LocalKeyWrapper(OTHER_KEY, [KEY])).rewrap()
    assert set(os.pread(handle, 1000, 0)) == {0}
    os.close(handle)


@pytest.mark.parametrize("ending", ["audio", "key"])
def test_half_shredded_leftovers_are_listed_and_shredded(folder, ending):
    token = land(folder.landing, b"abc").token
    (folder.landing._root / f"{token}.{ending}").unlink()
    assert list(folder.landing.tokens(datetime.now(UTC) + timedelta(days=1))) == [token]
    with pytest.raises(NotFoundError):
        read(folder.landing, token)
    assert folder.landing.shred(token)
    assert everything(folder.landing._root) == []


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 80, b"{}", b"[]", b'{"key_id": "x", "wrapped": "?"}', b"\xff"]
)
def test_a_damaged_key_file_is_noticed(folder, content):
    token = land(folder.landing, b"abc").token
    (folder.landing._root / f"{token}.key").write_bytes(content)
    with pytest.raises(TamperedError):
        read(folder.landing, token)


def test_a_key_of_another_recording_opens_nothing(folder):
    one, other = land(folder.landing, b"one").token, land(folder.landing, b"two").token
    root = folder.landing._root
    (root / f"{one}.key").write_bytes((root / f"{other}.key").read_bytes())
    with pytest.raises(TamperedError):
        read(folder.landing, one)


def test_a_link_in_the_folder_is_not_followed(folder, tmp_path):
    token = land(folder.landing, b"abc").token
    audio = folder.landing._root / f"{token}.audio"
    elsewhere = tmp_path / "elsewhere"
    audio.rename(elsewhere)
    audio.symlink_to(elsewhere)
    with pytest.raises(NotFoundError):
        read(folder.landing, token)


def test_an_absent_folder_holds_nothing(folder):
    assert list(folder.landing.tokens(datetime.now(UTC))) == []
    assert folder.landing.rewrap() == 0
    assert not folder.landing.shred(ABSENT)
    assert not folder.landing._root.exists()


def test_memory_stays_flat(folder):
    piece = os.urandom(1 << 20)
    land(folder.landing, piece)
    tracemalloc.start()
    try:
        with folder.landing.begin() as writer:
            for _ in range(24):
                writer.write(piece)
            landed = writer.finish()
        n_bytes = sum(len(part) for part in folder.landing.read(landed.token))
        folder.landing.finish_partial(landed.token)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert n_bytes == landed.n_bytes == 24 << 20


def test_shredding_and_wrapping_anew_at_once_bring_nothing_back(folder):
    tokens = [land(folder.landing, b"abc").token for _ in range(40)]
    heir = folder.with_wrapper(LocalKeyWrapper(OTHER_KEY, [KEY]))
    threads = [threading.Thread(target=heir.rewrap)]
    threads += [threading.Thread(target=lambda: [folder.landing.shred(token) for token in tokens])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert everything(folder.landing._root) == []
