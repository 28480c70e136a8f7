"""Changing the retention policies: as a form or as text, checked, and compared with what is in force.

Nothing is kept here between two requests: what is written travels with the form until it is put in force.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from callveil.adapters.retention_policies import parse_policies
from callveil.adapters.retention_text import (
    line_of,
    line_of_policy,
    with_policy,
    without_policy,
)
from callveil.errors import ConfigError, MetadataError, PrivilegeError
from callveil.kit import Office, fallback_policy, findings_of, text_of_file
from callveil.retention.compare import compare
from callveil.retention.words import match_words, part_words, period_words, since_words
from callveil.vocabulary.accounts import WebRole
from callveil.vocabulary.retention import KeptPart, Period, Policy
from callveil.web.pages.access import Access, require
from callveil.web.pages.render import render
from callveil.web.pages.retention_form import (
    DIRECTIONS,
    OUTCOMES,
    PERIODS,
    PURPOSES,
    PolicyForm,
    form_of,
    read_form,
)

Ops = Annotated[Access, Depends(require(WebRole.OPS))]

MOST_CHARACTERS = 200_000
"""Of a set of policies as text."""

_CONTEXT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something to know about a text.

    Attributes:
        is_error: It cannot be put in force so.
        line: In the text, from 1; None when it is about no line.
        words: One sentence.
    """

    is_error: bool
    line: int | None
    words: str


def install(app: FastAPI, office: Office, simulate: Callable[[Access, str, int], Response]) -> None:
    """Add /retention/edit.

    Args:
        app: The pages.
        office: For the policies in force.
        simulate: Begins to try a text out, made from a set; leads to the page of that.
    """

    @app.get("/retention/edit")
    async def begin(
        request: Request,
        access: Ops,
        origin: Annotated[str, Query(alias="from", pattern=r"^(file|\d{1,6})?$")] = "",
        policy: Annotated[int | None, Query(ge=0, le=500)] = None,
    ) -> Response:
        """Begin with the policies in force, with those of the profile's file, or with an earlier set."""
        check_all_queues(access)

        def work() -> Response:
            text, version = text_of(office, origin), office.books.policy_sets.version()
            form = _form(text, str(policy)) if policy is not None else None
            return _page(request, office, text, version, form)

        return await run_in_threadpool(work)

    @app.post("/retention/edit")
    async def go_on(request: Request, access: Ops) -> Response:
        """Do what the button says with the text that was sent."""
        check_all_queues(access)
        given = await request.form()
        text, base = sent_text(given), sent_base(given)
        action, _, place = str(given.get("action", "check")).partition(":")
        if action == "simulate":
            return await run_in_threadpool(lambda: _tried(request, access, office, text, base, simulate))
        return await run_in_threadpool(lambda: _edited(request, office, given, text, base, action, place))


def check_all_queues(access: Access) -> None:
    """Policies are for the calls of all queues, so who sees some only may not change them.

    Raises:
        PrivilegeError: The user sees some queues only.
    """
    if access.user.queues:
        raise PrivilegeError("this concerns the calls of all queues, and your account is for some only")


def sent_text(given: FormData) -> str:
    """The text of a form, with line feeds only.

    Raises:
        MetadataError: It is missing or too long.
    """
    text = given.get("text")
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise MetadataError(f"text: allowed: up to {MOST_CHARACTERS:,} characters")
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"


def sent_base(given: FormData) -> int:
    """The set that the text of a form was made from.

    Raises:
        MetadataError: It is missing.
    """
    base = str(given.get("base", ""))
    if not base.isascii() or not base.isdigit() or len(base) > 6:
        raise MetadataError("base: allowed: the number of a set")
    return int(base)


def text_of(office: Office, origin: str = "") -> str:
    """Policies as text.

    Args:
        office: For the sets and the profile.
        origin: "file", the number of a set, or empty for what is in force.

    Raises:
        NotFoundError: No such set.
        ConfigError: The profile's file cannot be read.
    """
    sets = office.books.policy_sets
    chosen = sets.get(int(origin)) if origin.isdigit() else None if origin == "file" else sets.current()
    return text_of_file(office.config) if chosen is None else chosen.text


def name_of(office: Office) -> str:
    """Where the policies in force stand, without folders of this machine."""
    version = office.books.policy_sets.version()
    if version:
        return f"set {version}"
    file = office.config.retention_policies
    return f"the profile {office.config.name}" + (f", {file.name}" if file is not None else "")


def look_at(text: str, office: Office) -> tuple[tuple[Policy, ...] | None, tuple[Found, ...]]:
    """The policies of a text, and what is to be known about it; the same as `callveil config check` tells.

    Returns:
        None when the text cannot be read; and contradictions before notes.
    """
    try:
        policies = parse_policies(text, "")
    except ConfigError as error:
        lines = [line.removeprefix(": ") for line in str(error).splitlines()]
        return None, tuple(Found(is_error=True, line=line_of(text, each), words=each) for each in lines)
    found = []
    for finding in findings_of(policies, office.config):
        line = next(filter(None, (line_of_policy(text, name) for name in finding.policies)), None)
        found.append(Found(is_error=finding.is_error, line=line, words=_sentence(finding.text)))
    return policies, tuple(found)


def text_diff(before: str, after: str) -> list[tuple[str, str]]:
    """What changes in the text: class of a line and the line."""
    tones = {"+": "in", "-": "out-line", "@": "at"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=_CONTEXT, lineterm="")
    return [(tones.get(line[:1], ""), line) for number, line in enumerate(lines) if number > 1]


def shown_policies(policies: tuple[Policy, ...]) -> list[dict[str, Any]]:
    """Policies in words."""
    return [
        {
            "name": policy.name,
            "calls": "Calls that no other policy is for"
            if policy.fallback
            else _sentence(match_words(policy.match)).removesuffix("."),
            "since": since_words(policy.since),
            "law": policy.law,
            "fallback": policy.fallback,
            "periods": [
                (PERIODS[kind], parts, period)
                for kind, periods in zip(PERIODS, (policy.keep, policy.duty, policy.maximum), strict=True)
                for period, parts in _by_period(periods)
            ],
        }
        for policy in policies
    ]


def _by_period(periods: Mapping[KeptPart, Period]) -> list[tuple[str, str]]:
    """Parts that are kept alike, together: ("1 year", "audio, transcript")."""
    alike: dict[str, list[str]] = {}
    for part in KeptPart:
        if part in periods:
            alike.setdefault(period_words(periods[part]), []).append(part_words(part))
    return [(period, ", ".join(parts)) for period, parts in alike.items()]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "." if words else ""


def _tried(
    request: Request,
    access: Access,
    office: Office,
    text: str,
    base: int,
    simulate: Callable[[Access, str, int], Response],
) -> Response:
    policies, found = look_at(text, office)
    if policies is None or any(each.is_error for each in found):
        return _page(request, office, text, base, None, status=422)
    return simulate(access, text, base)


def _edited(
    request: Request, office: Office, given: FormData, text: str, base: int, action: str, place: str
) -> Response:
    number = int(place) if place.isascii() and place.isdigit() and len(place) < 4 else None
    if action == "store":
        policy, written = read_form(given, number)
        if policy is None or not _is_there(text, number):
            return _page(request, office, text, base, written, status=422)
        text = with_policy(text, number, policy)
    elif action == "remove" and number is not None and _is_there(text, number):
        text = without_policy(text, number)
    form = _form(text, place) if action == "edit" else None
    return _page(request, office, text, base, form)


def _is_there(text: str, number: int | None) -> bool:
    try:
        return number is None or number < len(parse_policies(text, ""))
    except ConfigError:
        return False


def _form(text: str, place: str) -> PolicyForm | None:
    try:
        policies = parse_policies(text, "")
    except ConfigError:
        return None
    if place == "new":
        return form_of(None, None)
    number = int(place) if place.isascii() and place.isdigit() else len(policies)
    return form_of(policies[number], number) if number < len(policies) else None


def _page(
    request: Request, office: Office, text: str, base: int, form: PolicyForm | None, *, status: int = 200
) -> Response:
    office.in_force.look_again()  # another process may have put some in force a moment ago
    policies, found = look_at(text, office)
    before = office.policies
    in_force = text_of(office)
    fallback = fallback_policy(office.config.profile)
    return render(
        request,
        "retention_edit.html.j2",
        status=status,
        text=text,
        base=base,
        is_old=base != office.books.policy_sets.version(),
        in_force=name_of(office),
        policies=None if policies is None else shown_policies(policies),
        fallback=shown_policies((fallback,))[0],
        found=found,
        n_errors=sum(each.is_error for each in found),
        changes=() if policies is None else compare(before, (*policies, fallback)),
        diff=text_diff(in_force, text),
        form=form,
        choices={"purposes": PURPOSES, "directions": DIRECTIONS, "outcomes": OUTCOMES},
        kinds=PERIODS,
        parts_of_calls=[(part.value, part_words(part)) for part in KeptPart],
        most=MOST_CHARACTERS,
    )
