"""What object stores have in common: the names, tags, dates and parts that all accept or refuse alike."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from callveil.errors import MetadataError, RefusedError
from callveil.vocabulary.recording import Part, PublishedPart

CALLS = "calls/"
DECISIONS = "decisions/"

PART_TAG = "callveil-part"
HOLD_TAG = "callveil-hold"
RETAIN_TAG = "callveil-retain-until"
"""Where a store without Object Lock keeps the retention date; `tags` does not show it."""

REMOVED_TAG = "callveil-removed"
"""Names of the parts that `delete_parts` deleted, joined by "+"; absent while there are none."""
RESTRICTED_TAG = "callveil-restricted"
"""Set by `set_tags` to "yes" or "no"; room is kept for it, so that a restriction is never refused."""

OWN_TAGS = frozenset({PART_TAG, HOLD_TAG, RETAIN_TAG, REMOVED_TAG})
"""Tags that the store sets by itself."""

MAX_GIVEN_TAGS = 6
"""S3 takes ten. The store's own and `RESTRICTED_TAG` go off, of `HOLD_TAG` and `RETAIN_TAG` only one:
an object never carries both."""
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256

_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]{1,200}"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_CALL = re.compile(rf"calls/[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}/{_SEGMENT}/")
_LISTED = re.compile(rf"(?:{_SEGMENT}/)*(?:[A-Za-z0-9._-]{{1,200}})?")
_TAG_PUNCTUATION = frozenset(" +-=._:/@")


def check_key(key: str) -> None:
    """Refuse a key that is not relative, plain and portable.

    Args:
        key: Segments of ASCII letters, digits, "-", "_" and "." with "/" between; no segment is "." or "..".

    Raises:
        MetadataError: It is not; the key itself is not in the message.
    """
    if not _KEY.fullmatch(key):
        raise MetadataError(
            'key: allowed are segments of 1 to 200 ASCII letters, digits, "-", "_" and "." with "/" between, '
            'and no segment "." or ".."'
        )


def check_call_prefix(prefix: str) -> None:
    """Refuse a prefix that is not the folder of one call.

    The fixed depth keeps one call's folder from lying inside another's.

    Args:
        prefix: "calls/<yyyy>/<mm>/<dd>/<call id>/".

    Raises:
        MetadataError: It is not; the prefix itself is not in the message.
    """
    if not is_call_prefix(prefix):
        raise MetadataError(
            "prefix: a call's folder is calls/<yyyy>/<mm>/<dd>/<call id>/ with a call id of 1 to 200 ASCII "
            'letters, digits, "-", "_" and ".", not "." or ".."'
        )


def check_decision_key(key: str) -> None:
    """Refuse a key that is not below "decisions/".

    Raises:
        MetadataError: It is not.
    """
    check_key(key)
    if not key.startswith(DECISIONS):
        raise MetadataError('key: a decision record is stored under "decisions/"')


def is_decision(prefix: str) -> bool:
    """True for the key of a decision record, False for the folder of a call.

    Raises:
        MetadataError: It is neither.
    """
    if prefix.startswith(DECISIONS):
        check_decision_key(prefix)
        return True
    check_call_prefix(prefix)
    return False


def check_listed_prefix(prefix: str) -> None:
    """Refuse a prefix that no key can have; "" and half a name are fine.

    Raises:
        MetadataError: No key begins like this.
    """
    if not _LISTED.fullmatch(prefix) or prefix.rsplit("/", 1)[-1] == "..":
        raise MetadataError(
            'prefix: allowed are ASCII letters, digits, "-", "_", "." and "/", not at the beginning, '
            'and no segment "." or ".."'
        )


def call_of(key: str) -> str | None:
    """Folder of the call that a key belongs to, ending in "/"; None when it belongs to none."""
    match = _CALL.match(key)
    if match is None or "/" in key[match.end() :] or len(key) == match.end():
        return None
    return match.group()


def is_call_prefix(prefix: str) -> bool:
    """True for "calls/<yyyy>/<mm>/<dd>/<call id>/"."""
    return _CALL.fullmatch(prefix) is not None


def check_tags(tags: Mapping[str, str], *, publishing: bool) -> None:
    """Refuse tags that an S3 store would not take.

    Args:
        tags: Given by the caller.
        publishing: True when a call is published: it may then carry "callveil-hold" = "no".

    Raises:
        MetadataError: Too many, too long, a character that S3 does not allow, or a tag of the store's own.
            Values are not in the message.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
    """
    check_tag_count(tags)
    for key, value in tags.items():
        if not 1 <= len(key) <= MAX_TAG_KEY or not _is_tag_text(key) or key.lower().startswith("aws:"):
            raise MetadataError(
                f"tags: a key has 1 to {MAX_TAG_KEY} letters, digits, spaces and + - = . _ : / @ "
                'and does not begin with "aws:"'
            )
        if len(value) > MAX_TAG_VALUE or not _is_tag_text(value):
            raise MetadataError(
                f"tags: the value of {key} has at most {MAX_TAG_VALUE} letters, digits, spaces "
                "and + - = . _ : / @"
            )
        if key in OWN_TAGS and not (publishing and key == HOLD_TAG and value == "no"):
            raise MetadataError(f"tags: {key} is set by the store itself")
        if key == RESTRICTED_TAG and value not in {"yes", "no"}:
            raise MetadataError(f"tags: {key} is yes or no")


def check_tag_count(tags: Mapping[str, str]) -> None:
    """Refuse more tags than fit beside those the store adds.

    Raises:
        MetadataError: There are too many.
    """
    if len(set(tags) - OWN_TAGS - {RESTRICTED_TAG}) > MAX_GIVEN_TAGS:
        raise MetadataError(f"tags: at most {MAX_GIVEN_TAGS} besides the store's own and {RESTRICTED_TAG}")


def _is_tag_text(text: str) -> bool:
    return all(char.isalnum() or char in _TAG_PUNCTUATION for char in text)


def check_parts(parts: Sequence[PublishedPart]) -> tuple[list[PublishedPart], PublishedPart]:
    """Split the parts of a call into the certificate and the others.

    Returns:
        The other parts in the given order, and the certificate, which is stored last.

    Raises:
        MetadataError: A part is given twice, or the certificate is missing.
    """
    if len({part.part for part in parts}) != len(parts):
        raise MetadataError("parts: one of them is given twice")
    certificates = [part for part in parts if part.part is Part.CERTIFICATE]
    if not certificates:
        raise MetadataError("parts: the certificate is missing")
    return [part for part in parts if part.part is not Part.CERTIFICATE], certificates[0]


def check_removable(parts: Collection[Part]) -> tuple[str, ...]:
    """Names of the objects of these parts, sorted.

    Raises:
        MetadataError: The certificate is among them: it goes with its call only.
    """
    if Part.CERTIFICATE in parts:
        raise MetadataError("parts: the certificate goes only with the whole call")
    return tuple(sorted({Part(part).value for part in parts}))


def with_removed(tags: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """These tags, saying that these parts too were deleted."""
    return {**tags, REMOVED_TAG: "+".join(sorted({*removed_parts(tags), *names}))}


def removed_parts(tags: Mapping[str, str]) -> frozenset[str]:
    """Names of the parts that were deleted by `ObjectStore.delete_parts`, as the tags of the others say."""
    known = {part.value for part in Part} - {Part.CERTIFICATE.value}
    return frozenset(tags.get(REMOVED_TAG, "").split("+")) & known


def is_restricted(tags: Mapping[str, str]) -> bool:
    """True when nobody may use the call that these are the tags of (GDPR Art. 18)."""
    return tags.get(RESTRICTED_TAG) == "yes"


def whole_seconds(moment: datetime) -> datetime:
    """The moment in UTC, rounded up to a whole second, so that every store gives back the same date.

    Raises:
        MetadataError: It has no time zone.
    """
    if moment.tzinfo is None:
        raise MetadataError("retention date: a time without time zone is not allowed")
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=0) + timedelta(seconds=1 if utc.microsecond else 0)


def date_to_lock(retain_until: datetime | None, now: datetime) -> datetime | None:
    """The date to lock a call with, in whole seconds; None when there is nothing left to protect.

    S3 refuses a retention date that has passed.
    """
    if retain_until is None:
        return None
    until = whole_seconds(retain_until)
    return until if until > now else None


def future_date(until: datetime, now: datetime) -> datetime:
    """A retention date to move to, in whole seconds.

    Raises:
        MetadataError: It has no time zone.
        RefusedError: It has passed; S3 takes future dates only.
    """
    date = whole_seconds(until)
    if date <= now:
        raise RefusedError("retention date: it must lie in the future; to delete now, bypass it")
    return date
