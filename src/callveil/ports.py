"""The contracts between the steps and the world. Every implementation passes one suite in tests/contract.

Words and turns passed through here are raw: an implementation must not log, store or send them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from callveil.vocabulary.audio import Audio, AudioFormat, ChannelSpeech
from callveil.vocabulary.consent import ConsentRecord
from callveil.vocabulary.drop import DroppedFile
from callveil.vocabulary.ledger import (
    AuditEntry,
    CallState,
    Claim,
    Event,
    LedgerCall,
    LedgerCounts,
    NewCall,
    Settlement,
)
from callveil.vocabulary.original import SealedKey, SealedOriginal
from callveil.vocabulary.pii import Finding
from callveil.vocabulary.recording import PublishedPart
from callveil.vocabulary.transcript import SpeakerSegment, Transcription, Turn


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The time now, aware UTC."""


class Signer(Protocol):
    """Who vouches for what is published."""

    @property
    def key_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the raw public key.

        Raises:
            ConfigError: There is no signing key.
        """

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature of a message, 64 bytes (RFC 8032).

        Raises:
            ConfigError: There is no signing key.
        """


class AudioSource(Protocol):
    """A recording that can be read more than once, always with the same samples."""

    @property
    def format(self) -> AudioFormat:
        """Rate, channels and codec."""

    def blocks(self, *, until_s: float | None = None) -> Iterator[Audio]:
        """Decode the recording in order, in blocks of bounded size.

        Args:
            until_s: Stop before this second of the call; None for all of it.

        Yields:
            Consecutive stretches at the recording's own rate and channels; together they are the call.

        Raises:
            AudioError: It cannot be decoded to the end, holds no samples, or breaks a limit.
        """


class Transcriber(Protocol):
    """Speech to words."""

    @property
    def name(self) -> str:
        """Engine and model, as they stand in the certificate: "faster-whisper/whisper-base-ct2"."""

    @property
    def n_parallel(self) -> int:
        """How many threads may call `transcribe` at the same time, and gain by it; 1 for none."""

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        """Hear one stretch of one channel.

        Args:
            audio: One channel at 16000 Hz, any length up to ten minutes.
            language: ISO 639-1 code, or None to detect it.
            channel: Written into the words.

        Returns:
            Words in time order, in seconds from the beginning of the call (`audio.start_sample` counts),
            inside the stretch, `start_s` < `end_s`. Silence gives no words.

        Raises:
            EngineError: The engine failed, or the audio has another rate or more than one channel.
        """


class Diarizer(Protocol):
    """Who speaks when. One session per call, fed in order, so that long calls need little memory."""

    @property
    def name(self) -> str:
        """Engine and models, as they stand in the certificate."""

    def start(self) -> DiarizationSession:
        """Begin a call."""


class DiarizationSession(Protocol):
    """One call in the making."""

    def push(self, audio: Audio, speech: Sequence[ChannelSpeech]) -> None:
        """Take the next stretch.

        Args:
            audio: All channels at 16000 Hz, following directly on the last stretch.
            speech: The speech found in that stretch, per channel.
        """

    def finish(self) -> tuple[SpeakerSegment, ...]:
        """All segments of the call, by start; segments of different speakers may overlap.

        Raises:
            EngineError: The engine failed.
        """


class EntityDetector(Protocol):
    """Personal data in a dialogue."""

    @property
    def name(self) -> str:
        """Engine and models, as they stand in the certificate."""

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
        """Find personal data in the whole dialogue of one call.

        Args:
            turns: All turns of the call, by start.
            language: ISO 639-1 code of the call.

        Returns:
            Findings with the times of their words, unpadded. One may begin up to 1.5 s before its first word,
            where that word is too short for its characters and must have begun earlier.

        Raises:
            EngineError: The engine failed, or cannot work in that language.
        """


class ModelLookup(Protocol):
    """Where pulled and verified models lie. Looking up never downloads."""

    def folder(self, model: str) -> Path:
        """Folder of a model's files.

        Raises:
            ModelError: No such model, or it is not pulled; the message names the command that pulls it.
        """


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
            tags: Put on every object, with "callveil-part" added. At most 7 besides the store's own tags.
            retain_until: Refuse deletion before this time (S3 Object Lock in GOVERNANCE mode), aware UTC,
                kept in whole seconds, rounded up. A time that has passed locks nothing.
            replace: Delete every version of an earlier recording of this call first, whatever its retention
                date. The new parts are read once before that.

        Raises:
            RefusedError: The call exists and `replace` is False, or it is under legal hold.
            StoreError: The store failed or a part's file is not what was announced; no new part is visible.
                A store that goes away after the certificate was sent may still show the whole call.
        """

    def put_decision(self, key: str, content: bytes) -> None:
        """Store the decision record of a call that was not kept, replacing an earlier one.

        Args:
            key: Under "decisions/".
            content: JSON without personal data.

        Raises:
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

    def tags(self, key: str) -> dict[str, str]:
        """Tags of one visible object.

        Raises:
            NotFoundError: Not there, or its call is not published.
        """

    def set_tags(self, prefix: str, tags: Mapping[str, str]) -> None:
        """Change these tags on every object of a call; other tags stay.

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


class Ledger(Protocol):
    """What is known of every call, and what is owed for it. The record of truth, not the broker.

    Every change is one transaction with the event it owes (see `vocabulary.ledger.TOPIC_OF`) and its entry in
    the audit chain: all of it stands, or nothing. Changes that `TRANSITIONS` does not know are impossible.
    Safe for several threads and processes. Times come in as arguments, aware UTC. Every method raises
    `LedgerError` when the database fails; nothing has changed then.
    """

    def accept(self, new: NewCall, *, actor: str, now: datetime) -> tuple[LedgerCall, bool]:
        """Take a call in as RECEIVED.

        Returns:
            The call, and True when it is new. False when the same call is there already: the same id and
            content, or the same idempotency key and content; its landing token then differs from `new`'s.
            Asked again with the same landing token it says True again, for that audio is the call's.

        Raises:
            RefusedError: The id, or the idempotency key, stands for another content or another call. A live
                call is refused wherever one of its id or key is there, and so is a recording while a live
                call of its id still arrives.
        """

    def heartbeat(self, call_ids: Sequence[str], *, now: datetime) -> None:
        """Say that these calls still arrive."""

    def arrived(
        self,
        call_id: str,
        *,
        content_sha256: str,
        n_bytes: int,
        incomplete: bool,
        actor: str,
        now: datetime,
    ) -> None:
        """All of a live call is there. A second time changes nothing.

        Its state stays; when that is RECEIVED or KEPT, its event is owed again.

        Raises:
            NotFoundError: No such call.
        """

    def get(self, call_id: str) -> LedgerCall:
        """One call.

        Raises:
            NotFoundError: No such call.
        """

    def calls(
        self, *, state: CallState | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[LedgerCall, ...]:
        """Calls by id, a page at a time.

        Args:
            state: Only those in this state.
            after: Only ids after this one.
            limit: 1 to 1000.
        """

    def record_consent(
        self, call_id: str, records: Sequence[ConsentRecord], *, actor: str, now: datetime
    ) -> LedgerCall:
        """Add answers to a call's history and raise its `consent_version`.

        A new answer for a purpose takes the place of earlier ones for the same purpose and party; one for all
        parties takes the place of all for that purpose. The history keeps every answer. RECEIVED, HELD, KEPT,
        PUBLISHED, QUARANTINED and FAILED calls become RECEIVED, to be decided anew: the audio of a FAILED
        one is still there, and must go with a denial. One that is PROCESSING stays so, and `settle` sends it
        back; a DISCARDED one only notes it. Answers that come together stand together: a grant and its
        withdrawal at a second of the call do not take each other's place. No answers change nothing.

        Raises:
            NotFoundError: No such call.
        """

    def consent_history(self, call_id: str) -> tuple[tuple[datetime, str, ConsentRecord], ...]:
        """Every answer with its time and who brought it, oldest first.

        Raises:
            NotFoundError: No such call.
        """

    def claim(
        self,
        call_id: str,
        *,
        owner: str,
        states: Sequence[CallState] = (CallState.RECEIVED, CallState.PROCESSING),
        lease_s: float,
        now: datetime,
    ) -> Claim | None:
        """Take the right to work on a call: to decide a RECEIVED one, to redact a KEPT one.

        A KEPT call becomes PROCESSING; its `attempts` rise, as do those of a RECEIVED one. A PROCESSING call
        whose lease has ended is claimed again.

        Args:
            call_id: The call.
            owner: Name of the worker.
            states: RECEIVED, PROCESSING (which stands for KEPT too), or both: what the worker can do.
            lease_s: Seconds until the right ends.
            now: Aware UTC.

        Returns:
            None when there is nothing to do now: another state, another owner, too early for a retry, or no
            such call. In `found` the state is RECEIVED or PROCESSING, and `attempts` counts this one.

        Raises:
            ValueError: `lease_s` is not positive.
        """

    def renew(self, claim: Claim, *, lease_s: float, now: datetime) -> Claim | None:
        """Prolong a lease; None when it was lost, and then the work must stop.

        A lease that has ended is not lost before somebody else claims the call or `reemit` takes it back.
        """

    def settle(self, claim: Claim, result: Settlement, *, now: datetime) -> LedgerCall:
        """Write down what came of the work, and give the claim back.

        When answers came in since the claim was made, the facts are noted but the state becomes RECEIVED,
        whatever `result` says (only a DISCARDED one stands).

        Raises:
            LeaseLostError: The claim is outdated; nothing has changed.
            ValueError: `TRANSITIONS` does not allow it, or HELD without `hold_until`.
        """

    def release(self, owner: str, *, now: datetime) -> int:
        """Take back every claim of a worker that is known to be dead; returns how many.

        Its PROCESSING calls become KEPT and its RECEIVED ones are owed again, at once.
        """

    def failures(self, call_id: str) -> Mapping[str, int]:
        """What the attempts that `LedgerCall.attempts` counts came to, by family of the error.

        Attempts that never ended, because their worker died, are "worker_lost". One that is under way, or
        ended without an error, is not counted.

        Raises:
            NotFoundError: No such call.
        """

    def replay(self, call_id: str, *, actor: str, now: datetime) -> LedgerCall:
        """Send a FAILED or QUARANTINED call back to RECEIVED, with no attempts counted.

        Raises:
            NotFoundError: No such call.
            RefusedError: It is in another state, or its audio is gone.
        """

    def take_events(self, *, owner: str, limit: int, lease_s: float, now: datetime) -> tuple[Event, ...]:
        """Events that are due and not sent, oldest first; nobody gets them again while the lease lasts.

        Args:
            owner: The sender.
            limit: 1 to 1000.
            lease_s: More than 0.
            now: Aware UTC.
        """

    def mark_sent(self, event_ids: Sequence[str], *, now: datetime) -> None:
        """These have reached the broker."""

    def reemit(self, *, grace_s: float, now: datetime) -> int:
        """Owe again what seems to be lost; returns for how many calls.

        A HELD call past its deadline becomes RECEIVED. A PROCESSING call whose lease has ended becomes KEPT.
        A RECEIVED or KEPT call without a running lease whose last event was sent more than `grace_s` ago (and
        whose retry is due) owes it again, as a new event, unless it still arrives.
        """

    def silent_arrivals(self, *, silent_s: float, now: datetime) -> tuple[LedgerCall, ...]:
        """Calls that still arrive and had no heartbeat for so long: their receiver is gone."""

    def to_shred(self, *, limit: int) -> tuple[LedgerCall, ...]:
        """PUBLISHED and DISCARDED calls that have arrived and whose audio still lies in the landing."""

    def shredded(self, call_id: str, *, actor: str, now: datetime) -> None:
        """The call's audio is gone from the landing; a second time changes nothing.

        Raises:
            NotFoundError: No such call.
        """

    def known_landings(self, tokens: Sequence[str]) -> frozenset[str]:
        """Which of these landing tokens belong to a call."""

    def note(
        self,
        *,
        actor: str,
        action: str,
        call_id: str | None,
        detail: Mapping[str, str | int | float | bool | None],
        now: datetime,
    ) -> None:
        """Add an entry to the audit chain that goes with no other change."""

    def audit(self, *, after: int = 0, limit: int = 1000) -> tuple[AuditEntry, ...]:
        """Entries of the audit chain after a number, in order."""

    def check_audit(self) -> int | None:
        """Compute the whole chain again, in little memory, whatever its length.

        Returns:
            None when it holds, else the number of the first entry that was changed or is missing.
        """

    def counts(self, *, now: datetime) -> LedgerCounts:
        """The ledger in numbers."""


class KeyWrapper(Protocol):
    """Wraps data keys with a key-encryption key that never leaves it; a KMS can stand behind it."""

    @property
    def key_id(self) -> str:
        """Id of the key that `wrap` uses; not secret, 1 to 200 characters."""

    def wrap(self, key: bytes) -> bytes:
        """Encrypt a data key under the active key.

        Args:
            key: 32 bytes.

        Raises:
            LandingError: The key service cannot be reached.
        """

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Decrypt a data key that was wrapped under the active or an earlier key.

        Args:
            key_id: Of the key that wrapped it.
            wrapped: What `wrap` returned.

        Raises:
            ConfigError: There is no key of that id.
            LandingError: The key service cannot be reached.
            TamperedError: It was not wrapped under that key, or has been changed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A recording that has arrived whole.

    Attributes:
        token: Its name in the landing.
        sha256: Of the plaintext, in hex.
        n_bytes: Size of the plaintext.
    """

    token: str
    sha256: str
    n_bytes: int


class LandingWriter(Protocol):
    """One recording on its way in; a context manager, for one thread.

    Leaving the with block without a `finish` that returned shreds what was written, whatever the reason. A
    process that dies leaves its recording for `Landing.finish_partial`.
    """

    @property
    def token(self) -> str:
        """Name of the recording in the landing: random, 32 hex digits, says nothing about the call."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shred what is not finished."""

    def write(self, data: bytes) -> None:
        """Append; full chunks are encrypted and written at once, the rest waits in memory.

        Raises:
            LandingError: It cannot be written, such as for a full disk, or an earlier write failed.
            RuntimeError: It is finished or outside its with block.
        """

    def flush(self) -> None:
        """Make all that arrived readable to those who follow. It survives the process, not a power cut.

        Raises:
            LandingError: As for `write`.
        """

    def leave_open(self) -> None:
        """Stop writing and neither finish nor shred: what was flushed is for `Landing.finish_partial`."""

    def finish(self) -> Landed:
        """Close the recording; when this returns, it survives a power cut.

        Raises:
            LandingError: As for `write`.
            NotFoundError: It was shredded in the meantime.
        """


class Landing(Protocol):
    """Where raw recordings wait, encrypted, until they are redacted. Shredding its key deletes one.

    Every recording has a data key of its own. Wrapped, it lies in the landing and nowhere else: no database
    and so no backup of one ever holds a key, and shredding reaches the backups of the audio too. A token that
    is not 32 hex digits is a `NotFoundError`. Every method raises `LandingError` when the disk fails.
    Safe to use from several threads and processes.
    """

    def begin(self) -> LandingWriter:
        """Make room for a recording.

        Raises:
            LandingError: There is none.
        """

    def read(
        self, token: str, *, follow: Callable[[], bool] | None = None, partial: bool = False
    ) -> Iterator[bytes]:
        """Decrypt a recording from its beginning, in pieces of up to 64 KiB as they were written.

        Args:
            token: Of the recording.
            follow: While it returns True and the recording is not finished, wait for more. It is asked about
                every 50 ms, and once it has returned False all that was flushed before is still read.
            partial: Take a recording that is not finished as it is, without what a crash left half-written.

        Raises:
            NotFoundError: There is no such recording, or it was shredded.
            LandingError: It is not finished, and neither followed nor `partial`.
            TamperedError: It is not what was written. The pieces before are; more was never handed out.
            ConfigError: The key that wrapped its key is not there.
        """

    def is_finished(self, token: str) -> bool:
        """True once the recording is closed; its last piece is authenticated, the others are not.

        Raises:
            NotFoundError: There is no such recording.
            TamperedError: Its last piece is not what was written.
        """

    def finish_partial(self, token: str) -> Landed:
        """Close what a writer that died left: all whole pieces. A finished recording stays as it is.

        A finished recording whose end was cut off by somebody looks like one whose writer died: compare
        with the `Landed` of its writer where there was one.

        Raises:
            NotFoundError: There is no such recording.
            LandingError: Its writer lives.
            TamperedError: It is not what was written.
        """

    def shred(self, token: str) -> bool:
        """Delete a recording for good: its key first. Harmless when it is gone, or half gone.

        Returns:
            True when there was anything of it.
        """

    def tokens(self, older_than: datetime) -> Iterator[str]:
        """Recordings that nobody has written to since then, sorted; half-shredded leftovers among them.

        One whose writer lives is not among them, however long it has stood still: a clock may jump, and a
        machine may sleep. A writer lives until its with block is left.

        Args:
            older_than: Aware UTC.
        """

    def rewrap(self) -> int:
        """Wrap every data key under the active key, so that earlier ones can be destroyed.

        Returns:
            How many were under another key.

        Raises:
            ConfigError: An earlier key is not there; those before are done.
            TamperedError: A data key is not what was written; those before are done.
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


class Drop(Protocol):
    """A folder, or a prefix of a bucket, that telephony systems drop calls in, in clear.

    Sub-folders, hidden names, and names of files that are still on their way are not seen. No method follows
    a link. A file that is not as it was seen (gone, or changed since) is a `NotFoundError`.
    Every method raises `StoreError` when the folder or the server fails.
    """

    @property
    def source(self) -> str:
        """As in `NewCall`: "folder" or "s3"."""

    @property
    def may_grow(self) -> bool:
        """True when a file can be seen before all of it is there."""

    def close(self) -> None:
        """Let go of it."""

    def files(self, is_wanted: Callable[[str], bool] = ...) -> Iterator[DroppedFile]:
        """Every file, in no order, one at a time: there may be very many.

        Args:
            is_wanted: Whether a name is asked for; what it says may change while files come.

        Raises:
            ConfigError: There is no such folder or bucket, or its keys are wrong.
            RefusedError: Another process has it.
        """

    def read(self, file: DroppedFile) -> AbstractContextManager[Iterator[bytes]]:
        """Read a file, in pieces of up to 1 MiB.

        Raises:
            NotFoundError: It is not the one that was seen; before a piece, or after the last one.
        """

    def remove(self, file: DroppedFile) -> bool:
        """Delete a file for good, as far as can be done; False when it is not the one that was seen."""

    def quarantine(self, files: Sequence[DroppedFile], stem: str, reason: str) -> None:
        """Move files aside, into "quarantine/", beside `<stem>.reason.txt`. Nothing there is overwritten.

        Args:
            files: Of one call; one that has changed stays.
            stem: Their common name, without suffix.
            reason: A text without content.
        """
