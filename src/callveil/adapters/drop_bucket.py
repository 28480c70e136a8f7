"""A drop folder in a bucket: objects directly below a prefix. It is listed, which every server can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from callveil.adapters.drop_names import QUARANTINE, is_seen, quarantine_names
from callveil.adapters.s3_bucket import Version
from callveil.adapters.s3_folder import S3Folder
from callveil.adapters.store_bodies import BLOCK_BYTES
from callveil.errors import NotFoundError, RefusedError, StoreError
from callveil.vocabulary.drop import DroppedFile


class DropBucket:
    """`Drop` in an S3 bucket.

    Two processes may watch one prefix: a call that both take is one call.

    Args:
        bucket: The bucket; it need not keep versions, and must not lock what is dropped.
        prefix: Folder inside it, without slashes at its ends; "" for the whole bucket.
    """

    source = "s3"
    may_grow = False

    def __init__(self, bucket: S3Folder, prefix: str) -> None:
        self._bucket = bucket
        self._base = f"{prefix}/" if prefix else ""
        self._has_versions: bool | None = None

    def __repr__(self) -> str:
        return f"DropBucket({self._bucket.name!r}, {self._base!r})"

    def close(self) -> None:
        """Nothing is held."""

    def files(self, is_wanted: Callable[[str], bool] = lambda _: True) -> Iterator[DroppedFile]:
        """See `Drop.files`."""
        with _no_rights("listing the drop folder"):
            now = self._bucket.server_time() or datetime.now(UTC)
            for found in self._bucket.folder(self._base):
                name = found.key.removeprefix(self._base)
                if name and is_wanted(name) and is_seen(name):
                    yield DroppedFile(
                        name=name,
                        n_bytes=found.n_bytes,
                        age_s=(now - found.changed_at).total_seconds(),
                        changed_at=min(found.changed_at, now),
                        is_plain=True,
                        stamp=(found.etag, found.n_bytes),
                    )

    @contextmanager
    def read(self, file: DroppedFile) -> Iterator[Iterator[bytes]]:
        """See `Drop.read`."""
        with ExitStack() as stack:
            with _no_rights("reading a dropped object"):
                read = stack.enter_context(self._bucket.open(self._base + file.name, etag=_etag(file)))
            yield _pieces(read, file)

    def remove(self, file: DroppedFile) -> bool:
        """See `Drop.remove`: every version of it and before it goes."""
        key = self._base + file.name
        with _no_rights("removing a dropped object"):
            if self._has_versions is None:
                self._has_versions = self._bucket.has_versions()
            if not self._has_versions:
                if self._bucket.etag(key) != _etag(file):
                    return False
                self._bucket.remove_key(key)
                return True
            versions = [found for found in self._bucket.versions(key) if found.key == key]
            old = _from_seen(versions, _etag(file))
            if old:
                self._bucket.remove(old, bypass_governance=False)
            return bool(old)

    def quarantine(self, files: Sequence[DroppedFile], stem: str, reason: str) -> None:
        """See `Drop.quarantine`: a copy on the server, then the original goes as in `remove`."""
        folder = f"{self._base}{QUARANTINE}/"
        with _no_rights("moving a dropped object"):
            there = [file for file in files if self._bucket.etag(self._base + file.name) == _etag(file)]
            if not there:
                return
            reason_name, names = quarantine_names(
                [file.name for file in there],
                stem,
                lambda name: self._bucket.etag(folder + name) is not None,
            )
            self._bucket.put_text(folder + reason_name, reason)
            for file, name in zip(there, names, strict=True):
                self._bucket.copy(self._base + file.name, folder + name, etag=_etag(file))
                self.remove(file)


def _etag(file: DroppedFile) -> str:
    return str(file.stamp[0])


def _from_seen(versions: Sequence[Version], etag: str) -> list[Version]:
    """The version that was seen and those before it, newest first; markers above it, if nothing else is."""
    for index, found in enumerate(versions):
        if found.etag == etag and not found.is_marker:
            only_markers_above = all(newer.is_marker for newer in versions[:index])
            return list(versions if only_markers_above else versions[index:])
    return []


def _pieces(read: Iterator[bytes], file: DroppedFile) -> Iterator[bytes]:
    n_bytes = 0
    for piece in read:
        n_bytes += len(piece)
        yield from (piece[start : start + BLOCK_BYTES] for start in range(0, len(piece), BLOCK_BYTES))
    if n_bytes != file.n_bytes:
        raise NotFoundError("a dropped object has changed")


@contextmanager
def _no_rights(action: str) -> Iterator[None]:
    """What the keys may not do concerns every object: none is broken for that."""
    try:
        yield
    except RefusedError as error:
        raise StoreError(f"{action}: the server refuses it (a lock, or a missing right)") from error
