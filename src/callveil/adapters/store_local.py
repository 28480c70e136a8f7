"""An object store in a folder, with the same tags, dates and holds as an S3 bucket.

    <root>/calls/2026/11/23/c-1/            the parts of a call and nothing else
    <root>/decisions/...                    decision records
    <root>/.callveil/calls/2026/11/23/c-1.json   tags, retention date and legal hold of that call
    <root>/.callveil/staging/, locks/       calls in the making or being deleted; lock files

A call appears by one rename and disappears by one rename. What a killed process left in staging is never
visible and goes with the next publish or deletion of the same call. The retention date and the hold bind
everyone who works through this class; they do not bind who may write to the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from callveil.adapters import store_rules as rules
from callveil.adapters.local_files import (
    copy_body,
    file_errors,
    locked,
    make_folders,
    read_folder,
    remove_tree,
    sync_folder,
    write_whole,
)
from callveil.adapters.store_bodies import check_bodies, open_body
from callveil.errors import NotFoundError, RefusedError, StoreError
from callveil.ports import Clock, StoredObject
from callveil.vocabulary.recording import Part, PublishedPart

_N_LOCKS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sidecar:
    """What stands beside a call's folder."""

    tags: Mapping[str, str] = field(default_factory=dict)
    retain_until: datetime | None = None
    legal_hold: bool = False

    def to_json(self) -> bytes:
        date = self.retain_until.isoformat() if self.retain_until else None
        content = {"tags": dict(self.tags), "retain_until": date, "legal_hold": self.legal_hold}
        return json.dumps(content, indent=2, sort_keys=True).encode()

    @staticmethod
    def from_json(content: bytes) -> _Sidecar:
        raw = json.loads(content)
        date = raw["retain_until"]
        return _Sidecar(
            tags=dict(raw["tags"]),
            retain_until=datetime.fromisoformat(date) if date is not None else None,
            legal_hold=bool(raw["legal_hold"]),
        )


class LocalStore:
    """`ObjectStore` in a folder. Safe to use from several threads and processes.

    Args:
        root: The folder; made (0700) with the first object.
        clock: What retention dates are compared with; the system's clock when None.
    """

    def __init__(self, root: Path, *, clock: Clock | None = None) -> None:
        self._root = root.absolute()
        self._own = self._root / ".callveil"
        self._clock = clock

    def __repr__(self) -> str:
        return f"LocalStore({str(self._root)!r})"

    def publish(
        self,
        prefix: str,
        parts: Sequence[PublishedPart],
        *,
        tags: Mapping[str, str],
        retain_until: datetime | None,
        replace: bool = False,
    ) -> None:
        """See `ObjectStore.publish`."""
        rules.check_call_prefix(prefix)
        rules.check_tags(tags, publishing=True)
        rules.check_parts(parts)
        sidecar = _Sidecar(tags=dict(tags), retain_until=rules.date_to_lock(retain_until, self._now()))
        with file_errors("publishing a call"), self._locked(prefix):
            self._make_room(prefix, parts, replace=replace)
            is_published = False
            try:
                self._stage(prefix, parts)
                self._write_sidecar(prefix, sidecar)
                folder = self._root / prefix
                make_folders(folder.parent)
                (self._staging(prefix) / "new").rename(folder)
                sync_folder(folder.parent)
                is_published = True
            finally:
                # A second failure must not hide the first one; what stays behind is invisible.
                with suppress(OSError):
                    if is_published:
                        remove_tree(self._staging(prefix))
                    else:
                        self._purge(prefix)

    def revise(self, prefix: str, parts: Sequence[PublishedPart]) -> None:
        """See `ObjectStore.revise`. The new version waits whole in staging, as "next"."""
        rules.check_call_prefix(prefix)
        rules.check_parts(parts)
        with self._changing(prefix):
            self._check_deletable(prefix, bypass_governance=True)
            staging = self._staging(prefix)
            remove_tree(staging)
            try:
                self._stage(prefix, parts)
                (staging / "new").rename(staging / "next")
                sync_folder(staging)
            finally:
                with suppress(OSError):
                    remove_tree(staging / "new")
            self._swap(prefix)

    def finish_revision(self, prefix: str) -> bool:
        """See `ObjectStore.finish_revision`."""
        rules.check_call_prefix(prefix)
        staging = self._staging(prefix)
        if not staging.is_dir():
            return False
        with file_errors("changing a call"), self._locked(prefix):
            if not (staging / "next").is_dir():
                remove_tree(staging)
                return False
            if self._sidecar_path(prefix).is_file() and self._sidecar(prefix).legal_hold:
                raise RefusedError("the call is under legal hold")
            self._swap(prefix)
        return True

    def put_decision(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put_decision`."""
        rules.check_decision_key(key)
        with file_errors("storing a decision record"), self._locked(key):
            write_whole(self._root / key, content, draft=self._draft(key))

    def delete_decision(self, key: str) -> bool:
        """See `ObjectStore.delete_decision`."""
        rules.check_decision_key(key)
        if not self._own.is_dir():
            return False
        with file_errors("deleting a decision record"), self._locked(key):
            places = [place for place in (self._draft(key), self._root / key) if place.is_file()]
            for place in places:
                place.unlink()
                sync_folder(place.parent)
        return bool(places)

    def list_calls(self, prefix: str = rules.CALLS) -> Iterator[str]:
        """See `ObjectStore.list_calls`."""
        rules.check_listed_prefix(prefix)
        for call in self._folders(prefix):
            if call.startswith(prefix) and self._is_visible(call):
                yield call

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list_objects`."""
        rules.check_listed_prefix(prefix)
        for call in self._folders(prefix):
            files = read_folder(self._root / call)
            if Part.CERTIFICATE in files:
                for name in sorted(files):
                    if (call + name).startswith(prefix):
                        yield _stored(call + name, files[name])
        if not (prefix.startswith(rules.DECISIONS) or rules.DECISIONS.startswith(prefix)):
            return
        folder = self._root / rules.DECISIONS
        found = (Path(path) / name for path, _, names in os.walk(folder) for name in names)
        for key in sorted(path.relative_to(self._root).as_posix() for path in found):
            if key.startswith(prefix):
                with suppress(FileNotFoundError):
                    yield _stored(key, (self._root / key).stat())

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        self._require_visible(key)
        with file_errors("reading an object"):
            try:
                return (self._root / key).read_bytes()
            except (FileNotFoundError, IsADirectoryError) as error:
                raise NotFoundError("no such object") from error

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        self._require_visible(key)
        with file_errors("reading an object"):
            path = self._root / key
            if not path.is_file():
                raise NotFoundError("no such object")
            return path.stat().st_size

    def get_range(self, key: str, start: int, n_bytes: int) -> bytes:
        """See `ObjectStore.get_range`."""
        self._require_visible(key)
        with file_errors("reading an object"):
            try:
                with (self._root / key).open("rb") as file:
                    file.seek(start)
                    return file.read(n_bytes)
            except (FileNotFoundError, IsADirectoryError) as error:
                raise NotFoundError("no such object") from error

    def tags(self, key: str) -> dict[str, str]:
        """See `ObjectStore.tags`."""
        self._require_visible(key)
        if not (self._root / key).is_file():
            raise NotFoundError("no such object")
        call = rules.call_of(key)
        if call is None:
            return {}
        return {**self._sidecar(call).tags, rules.PART_TAG: key.removeprefix(call)}

    def set_tags(self, prefix: str, tags: Mapping[str, str]) -> None:
        """See `ObjectStore.set_tags`."""
        rules.check_call_prefix(prefix)
        rules.check_tags(tags, publishing=False)
        with self._changing(prefix) as sidecar:
            merged = {**sidecar.tags, **tags}
            rules.check_tag_count(merged)
            self._write_sidecar(prefix, replace(sidecar, tags=merged))

    def set_retention(self, prefix: str, until: datetime) -> None:
        """See `ObjectStore.set_retention`."""
        rules.check_call_prefix(prefix)
        date = rules.future_date(until, self._now())
        with self._changing(prefix) as sidecar:
            self._write_sidecar(prefix, replace(sidecar, retain_until=date))

    def retention(self, prefix: str) -> datetime | None:
        """See `ObjectStore.retention`."""
        self._require_call(prefix)
        return self._sidecar(prefix).retain_until

    def set_legal_hold(self, prefix: str, on: bool) -> None:
        """See `ObjectStore.set_legal_hold`."""
        rules.check_call_prefix(prefix)
        with self._changing(prefix) as sidecar:
            tags = {**sidecar.tags, rules.HOLD_TAG: "yes" if on else "no"}
            self._write_sidecar(prefix, replace(sidecar, tags=tags, legal_hold=on))

    def legal_hold(self, prefix: str) -> bool:
        """See `ObjectStore.legal_hold`."""
        self._require_call(prefix)
        return self._sidecar(prefix).legal_hold

    def delete_call(self, prefix: str, *, bypass_governance: bool = False) -> int:
        """See `ObjectStore.delete_call`."""
        rules.check_call_prefix(prefix)
        if not self._own.is_dir():
            return 0
        with file_errors("deleting a call"), self._locked(prefix):
            self._check_deletable(prefix, bypass_governance=bypass_governance)
            return self._purge(prefix)

    def delete_parts(self, prefix: str, parts: Collection[Part], *, bypass_governance: bool = False) -> int:
        """See `ObjectStore.delete_parts`."""
        rules.check_call_prefix(prefix)
        names = rules.check_removable(parts)
        with self._changing(prefix) as sidecar:
            there = _names(self._root / prefix)
            files = [self._root / prefix / name for name in names if name in there]
            if files:
                self._check_deletable(prefix, bypass_governance=bypass_governance)
            if not set(names) <= rules.removed_parts(sidecar.tags):
                tags = rules.with_removed(sidecar.tags, names)
                self._write_sidecar(prefix, replace(sidecar, tags=tags))
            remove_tree(self._staging(prefix))  # a revision that was cut off holds them too
            for file in files:
                file.unlink()
            sync_folder(self._root / prefix)
            return len(files)

    def count_versions(self, prefix: str) -> int:
        """See `ObjectStore.count_versions`: files of the call, of its staging, and its sidecar."""
        single = [self._draft(prefix)]
        single.append(self._root / prefix if rules.is_decision(prefix) else self._sidecar_path(prefix))
        folders = [self._staging(prefix), self._root / prefix]
        with file_errors("counting what is left"):
            n_files = sum(len(names) for folder in folders for _, _, names in os.walk(folder))
            return n_files + sum(path.is_file() for path in single)

    def _make_room(self, prefix: str, parts: Sequence[PublishedPart], *, replace: bool) -> None:
        """Clear the way for a call: leftovers always, an earlier recording only when asked for."""
        if (self._root / prefix).is_dir():
            if not replace:
                raise RefusedError("the call is already stored; replacing it was not asked for")
            self._check_deletable(prefix, bypass_governance=True)
            check_bodies(parts)
        self._purge(prefix)

    def _check_deletable(self, prefix: str, *, bypass_governance: bool) -> None:
        # A folder in place was published, even when somebody took its certificate away.
        if not (self._root / prefix).is_dir():
            return
        sidecar = self._sidecar(prefix)
        if sidecar.legal_hold:
            raise RefusedError("the call is under legal hold")
        if sidecar.retain_until and sidecar.retain_until > self._now() and not bypass_governance:
            raise RefusedError("the call's retention date has not come")

    def _stage(self, prefix: str, parts: Sequence[PublishedPart]) -> None:
        folder = self._staging(prefix) / "new"
        make_folders(folder)
        for part in parts:
            with open_body(part.body) as reader:
                copy_body(reader, folder / part.part)
        sync_folder(folder)

    def _swap(self, prefix: str) -> None:
        """Put "next" in the place of the call's folder, and delete what was there; again after a crash."""
        folder, staging = self._root / prefix, self._staging(prefix)
        remove_tree(staging / "old")
        if folder.is_dir():
            folder.rename(staging / "old")
        (staging / "next").rename(folder)
        sync_folder(folder.parent)
        remove_tree(staging)

    def _purge(self, prefix: str) -> int:
        """Hide a call, then delete it, its sidecar and what an earlier attempt left; returns the files."""
        folder, staging, sidecar = self._root / prefix, self._staging(prefix), self._sidecar_path(prefix)
        n_files = remove_tree(staging)
        self._draft(prefix).unlink(missing_ok=True)
        if folder.is_dir():
            make_folders(staging)
            folder.rename(staging / "old")
            sync_folder(folder.parent)
            n_files += remove_tree(staging)
        if sidecar.exists():
            sidecar.unlink()
            sync_folder(sidecar.parent)
        return n_files

    def _folders(self, prefix: str) -> list[str]:
        """Folders at the depth of calls that have to do with a prefix, in the order of their keys."""
        level = [rules.CALLS]
        for _ in range(4):
            level = [
                f"{folder}{name}/"
                for folder in level
                if folder.startswith(prefix) or prefix.startswith(folder)
                for name in _names(self._root / folder)
            ]
        related = (folder for folder in level if folder.startswith(prefix) or prefix.startswith(folder))
        return sorted(folder for folder in related if rules.is_call_prefix(folder))

    def _is_visible(self, prefix: str) -> bool:
        return (self._root / prefix / Part.CERTIFICATE).is_file()

    def _require_visible(self, key: str) -> None:
        rules.check_key(key)
        call = rules.call_of(key)
        if not key.startswith(rules.DECISIONS) and (call is None or not self._is_visible(call)):
            raise NotFoundError("no such object, or its call is not published")

    def _require_call(self, prefix: str) -> None:
        rules.check_call_prefix(prefix)
        if not self._is_visible(prefix):
            raise NotFoundError("no such call")

    @contextmanager
    def _changing(self, prefix: str) -> Iterator[_Sidecar]:
        """The sidecar of a published call, while nobody else changes it."""
        with file_errors("changing a call"):
            if not self._is_visible(prefix):
                raise NotFoundError("no such call")
            with self._locked(prefix):
                self._require_call(prefix)
                yield self._sidecar(prefix)

    def _sidecar(self, prefix: str) -> _Sidecar:
        try:
            return _Sidecar.from_json(self._sidecar_path(prefix).read_bytes())
        except FileNotFoundError as error:
            if not (self._root / prefix).is_dir():
                raise NotFoundError("no such call") from error
            raise StoreError("the file with a call's retention date and hold is missing") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError("the file with a call's retention date and hold cannot be read") from error

    def _write_sidecar(self, prefix: str, sidecar: _Sidecar) -> None:
        write_whole(self._sidecar_path(prefix), sidecar.to_json(), draft=self._draft(prefix))

    def _sidecar_path(self, prefix: str) -> Path:
        return self._own / f"{prefix.rstrip('/')}.json"

    def _staging(self, key: str) -> Path:
        return self._own / "staging" / hashlib.sha256(key.encode()).hexdigest()[:32]

    def _draft(self, key: str) -> Path:
        return self._staging(key).with_suffix(".json")

    def _locked(self, key: str) -> AbstractContextManager[None]:
        return locked(self._own / "locks" / str(zlib.crc32(key.encode()) % _N_LOCKS))

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stored(key: str, status: os.stat_result) -> StoredObject:
    modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return StoredObject(key=key, n_bytes=status.st_size, modified_at=modified_at)
