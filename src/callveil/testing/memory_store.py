"""An object store in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from callveil.adapters import store_rules as rules
from callveil.adapters.store_bodies import BLOCK_BYTES, open_body
from callveil.errors import NotFoundError, RefusedError, StoreError
from callveil.ports import Clock, StoredObject
from callveil.testing.fakes import ManualClock
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart


@dataclass(slots=True)
class _Kept:
    """One call of a `MemoryStore`."""

    contents: dict[str, bytes]
    modified_at: datetime
    tags: dict[str, str]
    retain_until: datetime | None
    legal_hold: bool = False


@dataclass(slots=True)
class MemoryStore:
    """`ObjectStore` in memory, without versions.

    Attributes:
        clock: What retention dates are compared with.
        fails_at: Raise `StoreError` when this part is to be stored; nothing of the call stays.
    """

    clock: Clock = field(default_factory=ManualClock)
    fails_at: Part | None = None
    _calls: dict[str, _Kept] = field(default_factory=dict, repr=False)
    _decisions: dict[str, tuple[bytes, datetime]] = field(default_factory=dict, repr=False)

    supports_lock = True

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
        others, certificate = rules.check_parts(parts)
        kept = self._calls.get(prefix)
        if kept is not None and not replace:
            raise RefusedError("the call is already stored; replacing it was not asked for")
        if kept is not None and kept.legal_hold:
            raise RefusedError("the call is under legal hold")
        if any(part.part is self.fails_at for part in parts):
            raise StoreError("told to fail")
        self._calls[prefix] = _Kept(
            contents={part.part.value: _content(part.body) for part in (*others, certificate)},
            modified_at=self.clock.now(),
            tags=dict(tags),
            retain_until=rules.date_to_lock(retain_until, self.clock.now()),
        )

    def revise(self, prefix: str, parts: Sequence[PublishedPart]) -> None:
        """See `ObjectStore.revise`."""
        others, certificate = rules.check_parts(parts)
        kept = self._call(prefix)
        self._check_deletable(kept, bypass_governance=True)
        if any(part.part is self.fails_at for part in parts):
            raise StoreError("told to fail")
        kept.contents = {part.part.value: _content(part.body) for part in (*others, certificate)}
        kept.modified_at = self.clock.now()

    def finish_revision(self, prefix: str) -> bool:
        """See `ObjectStore.finish_revision`."""
        rules.check_call_prefix(prefix)
        return False

    def put_decision(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put_decision`."""
        rules.check_decision_key(key)
        self._decisions[key] = (content, self.clock.now())

    def delete_decision(self, key: str) -> bool:
        """See `ObjectStore.delete_decision`."""
        rules.check_decision_key(key)
        return self._decisions.pop(key, None) is not None

    def list_calls(self, prefix: str = rules.CALLS) -> Iterator[str]:
        """See `ObjectStore.list_calls`."""
        rules.check_listed_prefix(prefix)
        yield from sorted(call for call in self._calls if call.startswith(prefix))

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list_objects`."""
        rules.check_listed_prefix(prefix)
        objects = {
            folder + name: (content, kept.modified_at)
            for folder, kept in self._calls.items()
            for name, content in kept.contents.items()
        }
        for key, (content, modified_at) in sorted({**objects, **self._decisions}.items()):
            if key.startswith(prefix):
                yield StoredObject(key=key, n_bytes=len(content), modified_at=modified_at)

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        rules.check_key(key)
        if key in self._decisions:
            return self._decisions[key][0]
        return self._holder(key).contents[_name(key)]

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        return len(self.get(key))

    def get_range(self, key: str, start: int, n_bytes: int) -> bytes:
        """See `ObjectStore.get_range`."""
        return self.get(key)[start : start + n_bytes]

    def tags(self, key: str) -> dict[str, str]:
        """See `ObjectStore.tags`."""
        rules.check_key(key)
        if key in self._decisions:
            return {}
        return {**self._holder(key).tags, rules.PART_TAG: _name(key)}

    def set_tags(self, prefix: str, tags: Mapping[str, str]) -> None:
        """See `ObjectStore.set_tags`."""
        rules.check_tags(tags, publishing=False)
        kept = self._call(prefix)
        merged = {**kept.tags, **tags}
        rules.check_tag_count(merged)
        kept.tags = merged

    def set_retention(self, prefix: str, until: datetime) -> None:
        """See `ObjectStore.set_retention`."""
        date = rules.future_date(until, self.clock.now())
        self._call(prefix).retain_until = date

    def retention(self, prefix: str) -> datetime | None:
        """See `ObjectStore.retention`."""
        return self._call(prefix).retain_until

    def set_legal_hold(self, prefix: str, on: bool) -> None:
        """See `ObjectStore.set_legal_hold`."""
        kept = self._call(prefix)
        kept.legal_hold = on
        kept.tags[rules.HOLD_TAG] = "yes" if on else "no"

    def legal_hold(self, prefix: str) -> bool:
        """See `ObjectStore.legal_hold`."""
        return self._call(prefix).legal_hold

    def delete_call(self, prefix: str, *, bypass_governance: bool = False) -> int:
        """See `ObjectStore.delete_call`."""
        rules.check_call_prefix(prefix)
        kept = self._calls.get(prefix)
        if kept is None:
            return 0
        self._check_deletable(kept, bypass_governance=bypass_governance)
        return len(self._calls.pop(prefix).contents)

    def delete_parts(self, prefix: str, parts: Collection[Part], *, bypass_governance: bool = False) -> int:
        """See `ObjectStore.delete_parts`."""
        rules.check_call_prefix(prefix)
        names = rules.check_removable(parts)
        kept = self._call(prefix)
        there = [name for name in names if name in kept.contents]
        if there:
            self._check_deletable(kept, bypass_governance=bypass_governance)
        if names:
            kept.tags = rules.with_removed(kept.tags, names)
        for name in there:
            del kept.contents[name]
        return len(there)

    def count_versions(self, prefix: str) -> int:
        """See `ObjectStore.count_versions`."""
        if rules.is_decision(prefix):
            return int(prefix in self._decisions)
        kept = self._calls.get(prefix)
        return 0 if kept is None else len(kept.contents)

    def _check_deletable(self, kept: _Kept, *, bypass_governance: bool) -> None:
        if kept.legal_hold:
            raise RefusedError("the call is under legal hold")
        if kept.retain_until and kept.retain_until > self.clock.now() and not bypass_governance:
            raise RefusedError("the call's retention date has not come")

    def _call(self, prefix: str) -> _Kept:
        rules.check_call_prefix(prefix)
        if prefix not in self._calls:
            raise NotFoundError("no such call")
        return self._calls[prefix]

    def _holder(self, key: str) -> _Kept:
        kept = self._calls.get(rules.call_of(key) or "")
        if kept is None or _name(key) not in kept.contents:
            raise NotFoundError("no such object, or its call is not published")
        return kept


def _name(key: str) -> str:
    return key.rsplit("/", 1)[-1]


def _content(body: MaskedFile | MaskedDocument) -> bytes:
    with open_body(body) as reader:
        content = b"".join(iter(lambda: reader.read(BLOCK_BYTES), b""))
        reader.check()
    return content
