"""Papers: a breach and its 72 hours, the record of processing, the consent of a call and its withdrawal."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from callveil.errors import MetadataError
from callveil.pipeline.breach import Breach, breach_files
from callveil.pipeline.consent_papers import consent_history, known_call, make_receipt
from callveil.pipeline.processing_record import make_record, record_markdown
from callveil.pipeline.withdraw import foresee, withdraw
from callveil.rights.breach import Copies, KeyState
from callveil.rights.processing_record import record_document
from callveil.rights.wording import BASES, FLAGS, METHODS, PURPOSES
from callveil.stages.documents.forms import indented
from callveil.vocabulary.consent import Purpose
from callveil.vocabulary.ledger import CallState
from callveil.web.office_bodies import BreachBody, parse_body
from callveil.web.office_desk import NO_STORE
from callveil.web.office_papers import made_breach
from callveil.web.office_paths import CallId
from callveil.web.pages.access import Access
from callveil.web.pages.person_token import Meant
from callveil.web.pages.privacy_desk import OFFICERS, Officer, PrivacyDesk, moment_of
from callveil.web.pages.render import render
from callveil.web.problems import ProblemError

_Many = Annotated[str, Form(max_length=900_000)]
_Time = Annotated[str, Form(max_length=40)]


def install(app: FastAPI, desk: PrivacyDesk) -> None:
    """Add the pages."""
    _add_breach(app, desk)
    _add_record(app, desk)
    _add_consent(app, desk)


def _add_breach(app: FastAPI, desk: PrivacyDesk) -> None:
    @app.get("/privacy/breach", dependencies=OFFICERS)
    async def form(request: Request) -> Response:
        """What was exposed, and since when it is known."""
        return _breach_form(request)

    @app.post("/privacy/breach")
    async def report(
        request: Request,
        access: Officer,
        how: Annotated[str, Form(pattern=r"^(window|calls|objects)$")],
        known_at: _Time = "",
        since: _Time = "",
        until: _Time = "",
        calls: _Many = "",
        objects: _Many = "",
        copies: Annotated[list[Copies] | None, Form(max_length=3)] = None,
        key: KeyState = KeyState.UNKNOWN,
        files: Annotated[bool, Form()] = False,
    ) -> Response:
        """Who and what it concerns; the texts, as a page or as files."""
        given: dict[str, Any] = {"key": key.value}

        def work() -> Response:
            try:
                given["known_at"] = _moment(known_at, "When it became known")
                if how == "window":
                    begin, end = _moment(since, "From"), _moment(until, "To")
                    given["window"] = {"since": begin, "until": end}
                else:
                    lines = [line.strip() for line in (calls if how == "calls" else objects).splitlines()]
                    given["call_ids" if how == "calls" else "objects"] = [line for line in lines if line]
                if how != "objects":
                    given["copies"] = [each.value for each in copies or ()]
                body = parse_body(json.dumps(given).encode(), BreachBody)
                breach = made_breach(desk.office, body, access.actor)
            except MetadataError as error:
                return _breach_form(request, problem=_plain(str(error)))
            if files:
                return _breach_zip(breach, desk.office.clock.now())
            return _breach_page(request, breach, given)

        return await desk.do(work)


def _breach_form(request: Request, *, problem: str = "") -> Response:
    return render(request, "privacy_breach.html.j2", status=422 if problem else 200, problem=problem)


def _breach_page(request: Request, breach: Breach, given: dict[str, Any]) -> Response:
    window = given.get("window", {})
    again = {
        "how": "window" if window else "calls" if "call_ids" in given else "objects",
        "known_at": given["known_at"],
        "since": window.get("since", ""),
        "until": window.get("until", ""),
        "calls": "\n".join(given.get("call_ids", ())),
        "objects": "\n".join(given.get("objects", ())),
        "key": given["key"],
    }
    return render(
        request,
        "privacy_breach_report.html.j2",
        breach=breach,
        facts=breach.facts,
        again=again,
        copies=given.get("copies", ()),
    )


def _breach_zip(breach: Breach, now: datetime) -> Response:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in breach_files(breach).items():
            archive.writestr(zipfile.ZipInfo(name, now.timetuple()[:6]), content, zipfile.ZIP_DEFLATED)
    return _download(file.getvalue(), f"breach-{now:%Y-%m-%d}.zip", "application/zip")


def _moment(text: str, name: str) -> str:
    try:
        return moment_of(text).isoformat()
    except ValueError:
        raise MetadataError(f"{name}: fill in day and time") from None


def _plain(problem: str) -> str:
    words = {
        "known_at": "When it became known",
        "window": "From and to",
        "call_ids": "Calls",
        "objects": "Files",
    }
    field, colon, rest = problem.partition(":")
    return f"{words.get(field, field)}{colon}{rest}"


def _add_record(app: FastAPI, desk: PrivacyDesk) -> None:
    office = desk.office

    @app.get("/privacy/record")
    async def record(request: Request, access: Officer) -> Response:
        """The record of processing activities, and what is missing in it."""

        def work() -> Response:
            facts = make_record([office.config], office.site, office.clock.now())
            desk.note(access, "office.read", what="processing record")
            return render(request, "privacy_record.html.j2", facts=facts, text=record_markdown(facts))

        return await desk.do(work)

    @app.get("/privacy/record/{name}")
    async def file(name: str, access: Officer) -> Response:
        """The same as a file."""

        def work() -> Response:
            if name not in ("record.md", "record.json"):
                raise ProblemError(404, "There is no such file.")
            facts = make_record([office.config], office.site, office.clock.now())
            desk.note(access, "office.read", what="processing record")
            if name == "record.md":
                return _download(record_markdown(facts).encode(), name, "text/markdown; charset=utf-8")
            return _download(indented(record_document(facts)), name, "application/json")

        return await desk.do(work)


def _add_consent(app: FastAPI, desk: PrivacyDesk) -> None:
    office = desk.office

    @app.get("/privacy/calls/{call_id}")
    async def consent(request: Request, call_id: CallId, access: Officer) -> Response:
        """Every answer about consent of a call, receipts, and the form to withdraw."""
        return await desk.do(lambda: _consent_page(request, desk, access, call_id))

    @app.get("/privacy/calls/{call_id}/receipt")
    async def receipt(
        call_id: CallId,
        access: Officer,
        party: Annotated[int | None, Query(ge=0, le=1000)] = None,
        vcon: Annotated[bool, Query()] = False,
    ) -> Response:
        """What one party agreed to, as a file."""

        def work() -> Response:
            made = make_receipt(office, call_id, party=party, actor=access.actor)
            if vcon:
                content = {"attachments": list(made.lawful_basis)}
                return _download(indented(content), "receipt.vcon.json", "application/json")
            return _download(indented(made.document), "receipt.jsonld", "application/ld+json")

        return await desk.do(work)

    @app.post("/privacy/calls/{call_id}/find", dependencies=OFFICERS)
    async def work_on(request: Request, call_id: CallId) -> Response:
        """Go on with this one call as with a person's: erase it, lock it away."""

        def work() -> Response:
            known_call(office, call_id)
            token = desk.seal(Meant(person=None, call_ids=(call_id,)), request)
            return RedirectResponse(f"/privacy/persons/{token}", 303)

        return await desk.do(work)

    @app.post("/privacy/calls/{call_id}/withdrawal")
    async def withdrawal(
        request: Request,
        call_id: CallId,
        access: Officer,
        purposes: Annotated[list[Purpose] | None, Form(max_length=len(Purpose))] = None,
        party: Annotated[str, Form(pattern=r"^[0-9]{0,3}$")] = "",
        at_s: Annotated[str, Form(max_length=12)] = "",
        confirm: Annotated[bool, Form()] = False,
    ) -> Response:
        """Tell what would follow; with `confirm` write the withdrawal down."""
        chosen, second = tuple(dict.fromkeys(purposes or ())), _second(at_s)
        whose = int(party) if party else None

        def work() -> Response:
            if not chosen:
                raise ProblemError(422, "Say what consent is withdrawn for.")
            known_call(office, call_id)
            if not confirm:
                follows = foresee(call_id, chosen, office, at_s=second, party=whose)
                ahead = {"purposes": chosen, "party": party, "at_s": at_s, "follows": follows}
                return _consent_page(request, desk, access, call_id, ahead=ahead)
            done = withdraw(call_id, chosen, office, at_s=second, party=whose, actor=access.actor)
            if done.found.state is CallState.ERASED:
                return RedirectResponse("/privacy", 303)
            return _consent_page(request, desk, access, call_id, done=done.consequence)

        return await desk.do(work)


def _consent_page(
    request: Request,
    desk: PrivacyDesk,
    access: Access,
    call_id: str,
    *,
    ahead: dict[str, Any] | None = None,
    done: str = "",
) -> Response:
    office = desk.office
    call, answers = known_call(office, call_id), consent_history(office, call_id)
    desk.note(access, "office.read", call_id, what="consent history")
    return render(
        request,
        "privacy_consent.html.j2",
        call=call,
        answers=answers,
        standing={id(record) for _, _, record in answers if record in call.call.consent},
        roles=[party.role.value.replace("_", " ") for party in call.call.parties],
        restricted=office.books.requests.restriction(call_id),
        holds=office.books.holds.of(call_id),
        ahead=ahead,
        done=done,
        PURPOSES=PURPOSES,
        FLAGS=FLAGS,
        BASES=BASES,
        METHODS=METHODS,
    )


def _second(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        second = float(text)
    except ValueError:
        second = -1.0
    if not 0 <= second <= 1_000_000:
        raise ProblemError(422, "Second of the call: a number, 0 or more.")
    return second


def _download(content: bytes, name: str, media_type: str) -> Response:
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type=media_type)
