"""Pages from templates, all of them with the same look."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from callveil.vocabulary.accounts import WebRole
from callveil.web.pages import words
from callveil.web.pages.access import CSRF_FIELD, CSRF_HEADER, access_of

STATIC = "/static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page that the navigation leads to.

    Attributes:
        path: Of its route.
        title: What the link says.
        roles: Who sees the link; admins see all.
    """

    path: str
    title: str
    roles: tuple[WebRole, ...]


PLACES = (
    Place(path="/calls", title="Calls", roles=(WebRole.REVIEWER, WebRole.OPS, WebRole.PRIVACY)),
    Place(path="/quarantine", title="Quarantine", roles=(WebRole.REVIEWER,)),
    Place(path="/ops", title="Pipeline", roles=(WebRole.OPS,)),
    Place(path="/retention", title="Retention", roles=(WebRole.OPS, WebRole.PRIVACY)),
    Place(path="/privacy", title="Privacy", roles=(WebRole.PRIVACY,)),
    Place(path="/audit", title="Audit", roles=()),
    Place(path="/users", title="Users", roles=()),
)
"""A link stands there only once its page is installed. No roles: admins only."""


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page.

    Args:
        request: What is answered.
        template: Name of a file in `templates/`.
        status: Of HTTP.
        values: For the template; `access`, `csrf`, `nonce`, `places` and `static` are there already.
    """
    csrf = getattr(request.state, "csrf", "")
    text = (
        _environment()
        .get_template(template)
        .render(
            access=access_of(request),
            csrf=csrf,
            csrf_token=csrf,  # for `parts.csrf`, which hides the name
            nonce=request.state.nonce,
            places=places_for(request),
            path=request.url.path,
            **values,
        )
    )
    return HTMLResponse(text, status)


def places_for(request: Request) -> tuple[Place, ...]:
    """Where whoever asks may go."""
    access = access_of(request)
    if access is None:
        return ()
    there = {getattr(route, "path", None) for route in request.app.routes}
    return tuple(place for place in PLACES if place.path in there and access.user.has_role(*place.roles))


def static(name: str) -> str:
    """Address of a file in `static/`; another one when the file changes, so browsers may keep it for long."""
    return f"{STATIC}/{name}?v={_version(name)}"


@cache
def _version(name: str) -> str:
    content = files("callveil.web.pages").joinpath("static", name).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("callveil.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(static=static, csrf_field=CSRF_FIELD, csrf_header=CSRF_HEADER)
    environment.globals.update(words.for_templates())
    return environment
