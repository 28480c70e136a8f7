"""Where redacted calls, and sealed originals, are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callveil.vocabulary.original import SealedKey, SealedOriginal
from callveil.vocabulary.recording import Part, PublishedPart


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object of a store, newest version.

    Attributes:
        key: Full key, such as "calls/2026/11/23/c-1/audio.flac".
        n_bytes: Size.
        modified_at: Aware UTC.
    """

    key: str
    n_bytes: int
    modified_at: datetime


class ObjectStore(Protocol):
    """Where redacted calls are kept. It takes masked types only: storing raw speech is a type error.

    A call's parts become visible together: `list_calls`, `list_objects` and `get` show a call only when
    all of its parts are stored. The certificate is the commit mark; it is written last and removed first.
    Legal hold and retention date stand on every object of a call. One process publishes or deletes a given
    call at a time. Every method raises `StoreError` when the store fails and `MetadataError` for a key,
    prefix or tag that S3 would not take.
    """

    def publish(
        self,
        prefix: str,
        parts: Sequence[PublishedPart],
        *,
        tags: Mapping[str, str],
        retain_until: datetime | None,
        replace: bool = False,
    ) -> None:
        """Store all parts of a call, or none.

        Args:
            prefix: Folder of the call, "calls/<yyyy>/<mm>/<dd>/<call id>/".
            parts: The certificate among them.
            tags: Put on every object, with "callveil-part" added. At most 6 besides the store's own tags
                and "callveil-restricted"; "callveil-hold" may be given as "no".
            retain_until: Refuse deletion before this time (S3 Object Lock in GOVERNANCE mode), aware UTC,
                kept in whole seconds, rounded up. A time that has passed locks nothing.
            replace: Delete every version of an earlier recording of this call first, whatever its retention
                date. The new parts are read once before that.

        Raises:
            RefusedError: The call exists and `replace` is False, or it is under legal hold.
            StoreError: The store failed or a part's file is not what was announced; no new part is visible.
                A store that goes away after the certificate was sent may still show the whole call.
        """

    def revise(self, prefix: str, parts: Sequence[PublishedPart]) -> None:
        """Put a new version of a published call in the place of the one that is there.

        Tags and retention date are those of the earlier one, of which no version is left, whatever its
        retention date. The new parts are stored whole before anything of it goes: a crash leaves the earlier
        version, the new one, or none that is visible, and then `finish_revision` brings the new one.

        Args:
            prefix: Folder of the call.
            parts: Every part that is to be there, the certificate among them.

        Raises:
            NotFoundError: No such call.
            RefusedError: It is under legal hold. Nothing has changed.
            StoreError: The store failed or a part's file is not what was announced.
        """

    def finish_revision(self, prefix: str) -> bool:
        """Bring a revision that was cut off to its end: the new version where it was stored whole.

        Returns:
            True when there was one.

        Raises:
            RefusedError: The call is under legal hold.
            StoreError: The store failed.
        """

    def put_decision(self, key: str, content: bytes) -> None:
        """Store the decision record of a call that was not kept, replacing an earlier one.

        Args:
            key: Under "decisions/".
            content: JSON without personal data.

        Raises:
            StoreError: The store failed.
        """

    def delete_decision(self, key: str) -> bool:
        """Delete every version of a decision record.

        Args:
            key: Under "decisions/".

        Returns:
            True when there was anything.

        Raises:
            RefusedError: The server refuses it.
            StoreError: The store failed.
        """

    def list_calls(self, prefix: str = "calls/") -> Iterator[str]:
        """Folders of the published calls under a prefix, sorted, each ending in "/"."""

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """Visible objects under a prefix, sorted by key."""

    def get(self, key: str) -> bytes:
        """Content of one visible object.

        Raises:
            NotFoundError: Not there, or its call is not published.
        """

    def size(self, key: str) -> int:
        """Bytes of one visible object.

        Raises:
            NotFoundError: Not there, or its call is not published.
        """

    def get_range(self, key: str, start: int, n_bytes: int) -> bytes:
        """A part of one visible object; shorter where the object ends.

        Args:
            key: Of the object.
            start: First byte, from 0, before the object's end.
            n_bytes: How many, at least 1.

        Raises:
            NotFoundError: Not there, or its call is not published.
        """

    def tags(self, key: str) -> dict[str, str]:
        """Tags of one visible object.

        Raises:
            NotFoundError: Not there, or its call is not published.
        """

    def set_tags(self, prefix: str, tags: Mapping[str, str]) -> None:
        """Change these tags on every object of a call; other tags stay. No lock and no hold forbids it.

        "callveil-restricted" is "yes" or "no"; there is always room for it.

        Raises:
            NotFoundError: No such call.
        """

    def set_retention(self, prefix: str, until: datetime) -> None:
        """Move the retention date of every object of a call; shortening it needs the governance right.

        Raises:
            NotFoundError: No such call.
            RefusedError: The date has passed, or the right is missing.
        """

    def retention(self, prefix: str) -> datetime | None:
        """Retention date of a call, aware UTC; None when it has none.

        Raises:
            NotFoundError: No such call.
        """

    def set_legal_hold(self, prefix: str, on: bool) -> None:
        """Place or lift the legal hold of every object of a call, and its "callveil-hold" tag.

        Raises:
            NotFoundError: No such call.
            ConfigError: The store cannot enforce a hold.
        """

    def legal_hold(self, prefix: str) -> bool:
        """True while any object of the call is under legal hold.

        Raises:
            NotFoundError: No such call.
        """

    def delete_call(self, prefix: str, *, bypass_governance: bool = False) -> int:
        """Delete every version of every object of a call, the certificate first.

        Leftovers of a publish that was cut off count as a call here and are deleted too; their retention
        date does not bind, for they were never published.

        Args:
            prefix: Folder of the call.
            bypass_governance: Delete before the retention date; lawful erasure needs it.

        Returns:
            How many object versions were deleted; 0 when there was nothing.

        Raises:
            RefusedError: Under legal hold, or before the retention date without `bypass_governance`.
                Nothing was deleted.
            StoreError: The store failed.
        """

    def delete_parts(self, prefix: str, parts: Collection[Part], *, bypass_governance: bool = False) -> int:
        """Delete every version of some parts of a published call, which stays visible with the others.

        Before anything goes, the tag "callveil-removed" of what stays names these parts too: a crash leaves
        a call that says what is to be missing, and the same request finishes it.

        Args:
            prefix: Folder of the call.
            parts: Not the certificate.
            bypass_governance: Delete before the retention date of the call.

        Returns:
            How many object versions were deleted; 0 when all of it was gone already.

        Raises:
            NotFoundError: No such call.
            RefusedError: Under legal hold, or before the retention date without `bypass_governance`, and
                some of it is still there. Nothing was deleted.
            MetadataError: The certificate is among the parts.
            StoreError: The store failed; ask again.
        """

    def count_versions(self, prefix: str) -> int:
        """How much of a call or a decision record is left anywhere: the proof that it is gone when 0.

        Counts every object version, delete marker and unfinished upload, and what a process that was
        killed left behind; visible or not.

        Args:
            prefix: Folder of a call, or key of a decision record.
        """


class OriginalStore(Protocol):
    """Where the originals of published calls lie, sealed. It takes `SealedOriginal` only.

    No Object Lock: originals are kept no longer than they may be, and erasure must always reach them. Every
    method raises `StoreError` when the store fails and `MetadataError` for a call id that cannot be a key.
    """

    def put(self, sealed: SealedOriginal) -> None:
        """Store an original in the place of an earlier one of its call; a crash leaves the old or the new.

        Raises:
            TypeError: It is something else.
        """

    def key(self, call_id: str) -> SealedKey:
        """What opens the original of a call.

        Raises:
            NotFoundError: There is none.
            TamperedError: It is not what was written.
        """

    def replace_key(self, call_id: str, key: SealedKey) -> None:
        """Store the same key, wrapped anew.

        Raises:
            NotFoundError: There is no original of that call, or another one now.
        """

    def read(self, call_id: str, key: SealedKey) -> Iterator[bytes]:
        """The encrypted original.

        Raises:
            NotFoundError: It is not there (any more).
        """

    def call_ids(self) -> Iterator[str]:
        """Calls with an original, sorted."""

    def delete(self, call_id: str) -> bool:
        """Delete the original of a call and all that is left of earlier ones, keys first.

        Returns:
            True when there was anything.
        """
