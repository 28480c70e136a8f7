"""Lifecycle rules for a bucket: the net below our own sweep, never shorter than what any policy keeps.

What AWS says, and the rules below rest on:

* "Object lifecycle management configurations continue to function normally on protected objects, including
  placing delete markers. However, a locked version of an object cannot be deleted by a S3 Lifecycle
  expiration policy." (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html) So an
  expiry would hide a call under legal hold: rules ask for the tag callveil-hold = no.
* ExpiredObjectDeleteMarker and AbortIncompleteMultipartUpload cannot be limited by tags.
  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html)
* Expiry of a current version makes it noncurrent behind a delete marker; NoncurrentVersionExpiration deletes.
  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from callveil.vocabulary.retention import CALL_END, Period, Policy

MARGIN_DAYS = 30
"""The sweep has this long before the net deletes what it forgot."""

UPLOAD_DAYS = 7
"""An upload in parts that is older than this is nobody's."""

MAX_RULES = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configuration-examples.html"""

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRule:
    """One rule of a bucket.

    Attributes:
        rule_id: Begins with "callveil-".
        prefix: Keys begin like this.
        tags: An object has all of these.
        expire_days: Age in days at which the current version is hidden; None for never.
        noncurrent_days: Days after that at which it is deleted; None for never.
        delete_markers: Remove delete markers that hide nothing any more.
        upload_days: Age in days at which an unfinished upload is thrown away; None for never.
        why: One sentence for people.
    """

    rule_id: str
    prefix: str
    tags: Mapping[str, str] = field(default_factory=dict)
    expire_days: int | None = None
    noncurrent_days: int | None = None
    delete_markers: bool = False
    upload_days: int | None = None
    why: str


def lifecycle_rules(
    policies: Sequence[Policy], *, prefix: str, hidden_days: int | None = None
) -> tuple[LifecycleRule, ...]:
    """The rules for a bucket.

    A call is found by its tags callveil-retention, which names the policy that set its date, callveil-hold
    and callveil-restricted: one that is held or restricted, or lacks one of these tags, is in no rule.
    Neither is one whose policy counts from an event, for nobody knows when that comes.

    Args:
        policies: All of them.
        prefix: Of the store in its bucket; "" or ending in "/".
        hidden_days: Days from when something is hidden to when it is deleted. None for as long as the call is
            kept: a lock ends with the first part of a call, so what somebody hid by mistake needs that time.
    """
    calls = f"{prefix}calls/"
    has_end = bool(policies) and all(policy.since == CALL_END for policy in policies)
    longest = _longest(policies) + MARGIN_DAYS
    rules = [
        _policy_rule(name, days, calls, hidden_days or days)
        for name, days in _days(policies)
        if days < longest or not has_end
    ]
    if len(rules) > MAX_RULES - 3:
        rules = []
    if has_end:
        rules.append(
            LifecycleRule(
                rule_id="callveil-any",
                prefix=calls,
                tags=_FREE,
                expire_days=longest,
                noncurrent_days=hidden_days or longest,
                why="Whatever its policy was, no policy keeps a call longer than this.",
            )
        )
    return (
        *rules,
        LifecycleRule(
            rule_id="callveil-delete-markers",
            prefix=calls,
            delete_markers=True,
            why="Delete markers that hide nothing any more.",
        ),
        LifecycleRule(
            rule_id="callveil-uploads",
            prefix=calls,
            upload_days=UPLOAD_DAYS,
            why="Uploads that were never finished.",
        ),
    )


def at_most_days(period: Period) -> int:
    """A number of days that the period never exceeds, whenever it begins."""
    years, months = divmod(period.months, 12)
    return 366 * years + 31 * months + period.days


def rules_json(rules: Sequence[LifecycleRule]) -> dict[str, Any]:
    """As `aws s3api put-bucket-lifecycle-configuration` takes it."""
    return {"Rules": [_rule_json(rule) for rule in rules]}


def rules_xml(rules: Sequence[LifecycleRule]) -> bytes:
    """As the request PutBucketLifecycleConfiguration takes it."""
    root = Element("LifecycleConfiguration", xmlns=_NAMESPACE)
    for rule in rules:
        _add(SubElement(root, "Rule"), _rule_json(rule))
    return bytes(tostring(root, encoding="utf-8"))


_FREE = {"callveil-hold": "no", "callveil-restricted": "no"}


def _days(policies: Sequence[Policy]) -> Iterator[tuple[str, int]]:
    """Names of policies that count from the end of a call, with days that no call of theirs outlives.

    A call carries the name of the policy that set its date, be it by a maximum. A duty of another one may fit
    it too when policies change, so duties count for all.
    """
    duty = max((_days_of(policy.duty) for policy in policies if policy.since == CALL_END), default=0)
    open_names = {policy.name for policy in policies if policy.since != CALL_END}
    for name in sorted({policy.name for policy in policies} - open_names):
        own = max(
            max(_days_of(policy.keep), _days_of(policy.maximum)) for policy in policies if policy.name == name
        )
        yield name, max(own, duty) + MARGIN_DAYS


def _longest(policies: Sequence[Policy]) -> int:
    periods = (each for policy in policies for each in (policy.keep, policy.duty, policy.maximum))
    return max(map(_days_of, periods), default=0)


def _days_of(periods: Mapping[Any, Period]) -> int:
    return max(map(at_most_days, periods.values()), default=0)


def _policy_rule(name: str, days: int, prefix: str, hidden_days: int) -> LifecycleRule:
    return LifecycleRule(
        rule_id=f"callveil-keep-{name}",
        prefix=prefix,
        tags={**_FREE, "callveil-retention": name},
        expire_days=days,
        noncurrent_days=hidden_days,
        why=f"Calls of the policy {name}, {MARGIN_DAYS} days after the longest it or any duty asks for.",
    )


def _rule_json(rule: LifecycleRule) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in sorted(rule.tags.items())]
    found: dict[str, Any] = {
        "ID": rule.rule_id,
        "Filter": {"And": {"Prefix": rule.prefix, "Tags": tags}} if tags else {"Prefix": rule.prefix},
        "Status": "Enabled",
    }
    if rule.expire_days is not None:
        found["Expiration"] = {"Days": rule.expire_days}
    if rule.delete_markers:
        found["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    if rule.noncurrent_days is not None:
        found["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule.noncurrent_days}
    if rule.upload_days is not None:
        found["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": rule.upload_days}
    return found


def _add(parent: Element, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if name == "Tags":
            for tag in value:
                _add(SubElement(parent, "Tag"), tag)
        elif isinstance(value, Mapping):
            _add(SubElement(parent, name), value)
        else:
            SubElement(parent, name).text = str(value).lower() if isinstance(value, bool) else str(value)
