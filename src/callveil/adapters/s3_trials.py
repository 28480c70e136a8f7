"""Try out what an S3 server does by itself: versions, locks, tags, lifecycle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from callveil.adapters.s3_bucket import Version
from callveil.adapters.s3_probe import PART_BYTES, TRIED_TAGS, S3Probe
from callveil.adapters.store_bodies import open_body
from callveil.adapters.store_trials import LOCKED_FOR, Trial, must_refuse, tried
from callveil.errors import CallveilError, NotFoundError, StoreError
from callveil.vocabulary.recording import MaskedDocument

_MOST_SKEW = timedelta(seconds=60)


def try_bucket(
    probe: S3Probe, folder: str, *, endpoint: str, secure: bool, region: str | None, lifecycle: bool
) -> Iterator[Trial]:
    """Try a bucket in a folder of its own, and leave nothing there.

    Args:
        probe: The bucket.
        folder: Keys begin like this; ends in "/", and nothing else is below it.
        endpoint: Of the server, for a look without keys.
        secure: HTTPS.
        region: None when not known.
        lifecycle: Try rules too; changes the bucket's configuration for a moment.

    Raises:
        ConfigError: The bucket is missing or the keys are wrong.
        StoreError: The server cannot be reached.
    """
    has_versions, (has_lock, mode) = probe.has_versioning(), probe.lock()
    trials = _BucketTrials(probe, folder, has_lock=has_lock)
    yield Trial(
        name="the bucket keeps versions",
        needed=True,
        works=has_versions,
        problem="" if has_versions else "versioning is off",
    )
    yield Trial(
        name="Object Lock",
        needed=False,
        works=has_lock,
        problem="" if has_lock else "the bucket was made without it; only a new one can have it",
        without="retention dates bind Callveil and nobody else; legal holds are refused",
    )
    try:
        yield tried("deleting without naming a version only hides", trials.hide)
        yield tried("every version is listed, and goes for good when it is named", trials.list_versions)
        yield tried("unfinished uploads are listed and thrown away", trials.throw_away)
        yield tried(
            "an upload in parts keeps tags and date",
            trials.keep_in_parts,
            needed=False,
            without="Callveil sets both again after each large upload",
        )
        yield tried(
            "nobody reads without keys",
            lambda: (
                "anybody can read what is stored"
                if probe.strangers_can_read(
                    trials.put("private"), endpoint=endpoint, secure=secure, region=region
                )
                else None
            ),
        )
        yield tried(
            "the server's clock agrees with ours",
            trials.compare_clocks,
            needed=False,
            without="dates are enforced that much sooner or later",
        )
        yield tried(
            "no other lifecycle rule deletes calls",
            lambda: trials.find_rules(folder.rsplit("callveil-check", 1)[0]),
            needed=False,
            without="such a rule deletes or hides calls, whatever Callveil decided of them",
        )
        if lifecycle:
            yield tried(
                "lifecycle rules by tag are accepted",
                trials.accept_rules,
                needed=False,
                without="`callveil retention sweep` is all there is; there is no net below it",
            )
        if has_lock:
            yield from _try_lock(trials, mode)
    finally:
        trials.clean_up()
    yield tried("nothing of this check is left", trials.count)


def _try_lock(trials: _BucketTrials, mode: str | None) -> Iterator[Trial]:
    yield tried("a locked version is not deleted", trials.refuse)
    yield tried("a locked version is deleted with the right to bypass", trials.bypass)
    yield tried("a date is moved later, and sooner with the right to bypass", trials.move)
    yield tried("a date is not moved sooner without asking to bypass", trials.refuse_sooner)
    yield tried("a legal hold stops even who may bypass, and is lifted", trials.hold)
    yield tried("tags stay when lock and hold change", trials.keep_tags)
    in_compliance = mode == "COMPLIANCE"
    yield Trial(
        name="no default lock that nobody can bypass",
        needed=True,
        works=not in_compliance,
        problem="the bucket locks in COMPLIANCE mode: nothing can be erased" if in_compliance else "",
    )


class _BucketTrials:
    """Each method returns what is wrong, None when nothing is."""

    def __init__(self, probe: S3Probe, folder: str, *, has_lock: bool) -> None:
        self._probe, self._folder, self._has_lock = probe, folder, has_lock

    def put(self, name: str, *, content: bytes = b"callveil store check", locked: bool = False) -> str:
        key = self._folder + name
        with open_body(MaskedDocument(content=content)) as reader:
            self._probe.put(
                key,
                reader,
                media_type="text/plain",
                tags=TRIED_TAGS,
                retain_until=_soon() if locked else None,
                part_bytes=PART_BYTES,
            )
        return key

    def hide(self) -> str | None:
        key = self.put("hide")
        self._probe.remove_key(key)
        versions = self._probe.versions(key)
        if self._probe.exists(key):
            return "what was deleted still shows"
        if sorted(version.is_marker for version in versions) != [False, True]:
            return "the version that was hidden is gone"
        return None

    def list_versions(self) -> str | None:
        key = self.put("versions")
        self.put("versions", content=b"newer")
        self._probe.remove_key(key)
        versions = self._probe.versions(key)
        if len(versions) != 3:
            return f"3 versions were made and {len(versions)} are listed"
        newest_last = sorted(versions, key=lambda version: version.is_latest)
        for left, version in zip((2, 1, 0), newest_last, strict=True):
            self._probe.remove([version])
            if len(self._probe.versions(key)) != left:
                return "a version that was deleted is still listed"
        try:
            self._probe.get(key)
        except NotFoundError:
            return None
        return "what was deleted can still be read"

    def throw_away(self) -> str | None:
        key = self._folder + "upload"
        self._probe.begin_upload(key)
        if self._probe.count_uploads(key) != 1:
            return "an unfinished upload is not listed"
        self._probe.abort_uploads(key)
        return "an upload that was thrown away is still listed" if self._probe.count_uploads(key) else None

    def keep_in_parts(self) -> str | None:
        key, date = self._folder + "parts", _soon().replace(microsecond=0)
        self._probe.put_in_parts(key, date if self._has_lock else None)
        try:
            tags = self._probe.tags(key)
        except StoreError:
            tags = {}  # of an object without tags Ceph tells what is no XML
        if tags != TRIED_TAGS:
            return "the tags are lost"
        if self._has_lock and self._probe.retention(self._version(key)) != date:
            return "the date is lost"
        return None

    def compare_clocks(self) -> str | None:
        before = datetime.now(UTC)
        told = self._probe.server_time()
        if told is None:
            return "the server does not tell the time"
        skew = max(before - timedelta(seconds=1) - told, told - datetime.now(UTC))
        return f"they are {skew.total_seconds():.0f} s apart" if skew > _MOST_SKEW else None

    def find_rules(self, prefix: str) -> str | None:
        found = self._probe.expiring_rules(f"{prefix}calls/")
        return f"of the bucket's rules these do: {', '.join(map(ascii, found))}" if found else None

    def accept_rules(self) -> str | None:
        before = self._probe.lifecycle()
        if before is not None and not _is_ours(before):
            # Never put back what a server tells of its rules: Ceph tells a prefix where it does not read it.
            if b"<Tag>" in before:
                return None
            return "the bucket has rules already; they were left alone, and this was not tried"
        try:
            self._probe.set_lifecycle(
                (
                    "<LifecycleConfiguration><Rule><ID>callveil-check</ID><Status>Disabled</Status><Filter><And>"
                    f"<Prefix>{self._folder}</Prefix><Tag><Key>callveil-hold</Key><Value>no</Value></Tag>"
                    "<Tag><Key>callveil-retention</Key><Value>callveil-check</Value></Tag></And></Filter>"
                    "<Expiration><Days>36500</Days></Expiration></Rule></LifecycleConfiguration>"
                ).encode()
            )
            after = self._probe.lifecycle() or b""
        finally:
            self._probe.set_lifecycle(None)
        named = all(name in after for name in (b"callveil-check", b"callveil-hold", b"callveil-retention"))
        return None if named else "the rule does not read back as it was set"

    def refuse(self) -> str | None:
        version = self._version(self.put("locked", locked=True))
        return must_refuse(
            lambda: self._probe.remove([version], bypass_governance=False), "a locked version was deleted"
        )

    def bypass(self) -> str | None:
        key = self.put("bypass", locked=True)
        self._probe.remove(self._probe.versions(key))
        return "it is still there" if self._probe.versions(key) else None

    def move(self) -> str | None:
        version = self._version(self.put("move", locked=True))
        for times, shorten in ((2, False), (0.5, True)):
            date = _soon(times).replace(microsecond=0)
            self._probe.set_retention(version.key, version.version_id, date, shorten=shorten)
            if self._probe.retention(version) != date:
                return "the date is not the one that was set"
        return None

    def refuse_sooner(self) -> str | None:
        version = self._version(self.put("sooner", locked=True))
        return must_refuse(
            lambda: self._probe.set_retention(version.key, version.version_id, _soon(0.5), shorten=False),
            "the date of a locked version was moved sooner",
        )

    def hold(self) -> str | None:
        version = self._version(self.put("hold", locked=True))
        self._probe.set_hold(version, True)
        if not self._probe.hold(version):
            return "the hold that was placed is not there"
        problem = must_refuse(lambda: self._probe.remove([version]), "a version under hold was deleted")
        self._probe.set_hold(version, False)
        return problem or ("the hold was not lifted" if self._probe.hold(version) else None)

    def keep_tags(self) -> str | None:
        key = self.put("tags", locked=True)
        version = self._version(key)
        for on in (True, False):
            self._probe.set_hold(version, on)
            if self._probe.tags(key) != TRIED_TAGS:
                return "the tags are lost with a hold"
        self._probe.set_retention(key, version.version_id, _soon(2), shorten=False)
        return None if self._probe.tags(key) == TRIED_TAGS else "the tags are lost with a new date"

    def clean_up(self) -> None:
        """Lift every hold and delete every version below the folder, as far as the server lets us."""
        with suppress(CallveilError):
            self._probe.abort_uploads(self._folder + "upload")
        with suppress(CallveilError):
            for version in self._probe.versions(self._folder):
                with suppress(CallveilError):
                    if self._has_lock and not version.is_marker and self._probe.hold(version):
                        self._probe.set_hold(version, False)
                    self._probe.remove([version])

    def count(self) -> str | None:
        left = len(self._probe.versions(self._folder)) + self._probe.count_uploads(self._folder)
        minutes = int(2 * LOCKED_FOR.total_seconds() / 60)
        return (
            f"{left} versions are left below {self._folder}; they can go in {minutes} minutes"
            if left
            else None
        )

    def _version(self, key: str) -> Version:
        for version in self._probe.versions(key):
            if version.key == key:
                return version
        raise NotFoundError("what was stored is not listed")


def _is_ours(configuration: bytes) -> bool:
    """True for what a check that was killed left: one rule, disabled."""
    return configuration.count(b"<Rule>") == 1 and b"<ID>callveil-check</ID>" in configuration


def _soon(times: float = 1.0) -> datetime:
    # Whole seconds, as the store itself asks for them.
    return (datetime.now(UTC) + times * LOCKED_FOR).replace(microsecond=0)
