"""Who asks: a person with a session or a machine with a token, and whether they may."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from callveil.config import WebConfig
from callveil.errors import NotFoundError, PrivilegeError
from callveil.kit import Service
from callveil.vocabulary.accounts import ApiToken, Privilege, Scope, Session, User, WebRole
from callveil.web.problems import ProblemError

CSRF_FIELD, CSRF_HEADER = "csrf", "X-Callveil-Csrf"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PUBLIC = frozenset({"/login", "/login/oidc", "/login/oidc/return"})
"""Routes that are there for those who are not signed in; every other one asks for it."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""32 random bytes in URL-safe base64."""


class SignInNeededError(Exception):
    """Nobody is signed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who asks.

    Attributes:
        user: The person, or whom the machine acts for.
        session: Of the browser; None for a machine.
        token: Of the machine; None for a browser.
    """

    user: User
    session: Session | None = None
    token: ApiToken | None = None

    @property
    def actor(self) -> str:
        """As it stands in the audit chain."""
        return self.user.actor if self.token is None else f"token:{self.token.token_id}"

    def has_privilege(self, privilege: Privilege) -> bool:
        """Whether a person may do this. Machines never have privileges."""
        return self.token is None and privilege in self.user.privileges

    def check_queue(self, queue: str | None) -> None:
        """Refuse a call that is not the user's to see, as if it were not there.

        Args:
            queue: Of the call; None when it has none.

        Raises:
            NotFoundError: It is of another queue.
        """
        if not self.user.sees_queue(queue):
            raise NotFoundError("there is no such call")


def require(
    *roles: WebRole, privilege: Privilege | None = None, scope: Scope | None = None
) -> Callable[[Request], Awaitable[Access]]:
    """A dependency that lets through who may: `Annotated[Access, Depends(require(WebRole.OPS))]`.

    Args:
        roles: One of which is needed; none: any. Admins have them all.
        privilege: Needed too, by admins as well.
        scope: With which a machine may; None: no machine may.
    """

    async def check(request: Request) -> Access:
        access = access_of(request)
        if access is None:
            raise SignInNeededError
        if access.token is not None and (scope is None or scope not in access.token.scopes):
            raise PrivilegeError("this token is not good for that")
        if roles and not access.user.has_role(*roles):
            raise PrivilegeError(f"this needs the role {' or '.join(sorted(roles))}")
        if privilege is not None and not access.has_privilege(privilege):
            raise PrivilegeError(f"this needs the privilege {privilege.value}")
        return access

    return check


def access_of(request: Request) -> Access | None:
    """Who asks; None when nobody is signed in."""
    found: Access | None = getattr(request.state, "access", None)
    return found


class Gate:
    """Finds out who asks before any page does anything, and keeps forged requests out.

    It is a dependency of the whole application, so a page that forgets to ask for a role is still for those
    who are signed in only.

    Args:
        service: Its books hold the accounts.
    """

    def __init__(self, service: Service) -> None:
        self._accounts, self._clock = service.books.accounts, service.clock
        self._web = service.config.profile.web

    async def __call__(self, request: Request) -> None:
        """Set `request.state.access`.

        Raises:
            SignInNeededError: Nobody is signed in, and the page is not for everybody.
            ProblemError: A request that changes something does not come from our own pages.
        """
        cookies = await self.look(request)
        is_public = request.scope["route"].path in _PUBLIC
        if request.state.access is None and not is_public:
            raise SignInNeededError
        is_machine = request.state.access is not None and request.state.access.token is not None
        if request.method not in _SAFE and not is_machine:
            await check_origin(request, self._web, cookies.sign_in if is_public else cookies.session)

    async def look(self, request: Request) -> Cookies:
        """Set `request.state.access` and ask for nothing: for errors, which everybody may see."""
        cookies = Cookies(request, self._web)
        request.state.access = await run_in_threadpool(self._access, request, cookies)
        return cookies

    def _access(self, request: Request, cookies: Cookies) -> Access | None:
        now = self._clock.now()
        given = request.headers.get("authorization")
        if given is not None:
            # A browser never sends one by itself, so what comes with it cannot be forged.
            scheme, _, secret = given.partition(" ")
            good = self._accounts.token(digest_of(secret), now=now) if scheme.lower() == "bearer" else None
            return None if good is None else Access(user=good[1], token=good[0])
        if cookies.session is None:
            return None
        limits = self._web.session_limits
        found = self._accounts.session(digest_of(cookies.session), limits=limits, now=now)
        if found is None:
            return None
        request.state.csrf = csrf_of(cookies.session)
        return Access(user=found[1], session=found[0])


class Cookies:
    """Our cookies in a request, and what they are called.

    Behind TLS they are Secure and "__Host-": no other host of the domain, and nobody on the line, can set
    them.

    Args:
        request: It.
        web: Settings.
    """

    def __init__(self, request: Request, web: WebConfig) -> None:
        self.secure = is_secure(request, web)
        prefix = "__Host-" if self.secure else ""
        self.session_name, self.sign_in_name = f"{prefix}callveil", f"{prefix}callveil-sign-in"
        self.provider_name = f"{prefix}callveil-oidc"
        self.session = _well_formed(request.cookies.get(self.session_name))
        self.sign_in = _well_formed(request.cookies.get(self.sign_in_name))
        # What goes to the identity provider and comes back: a secret, and where to go on.
        secret, _, self.provider_rest = request.cookies.get(self.provider_name, "").partition(".")
        self.provider = _well_formed(secret)


def is_secure(request: Request, web: WebConfig) -> bool:
    """Whether the browser is connected over TLS."""
    return request.url.scheme == "https" or (web.public_url or "").startswith("https:")


async def check_origin(request: Request, web: WebConfig, token: str | None) -> None:
    """Refuse a request that another site made a browser send.

    Args:
        request: It; its form is read when it has one.
        web: Settings.
        token: Of the cookie that the CSRF token belongs to.

    Raises:
        ProblemError: 403.
    """
    refused = ProblemError(
        403, "This did not come from a page of Callveil, or the page is too old. Go back, reload, try again."
    )
    headers = request.headers
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise refused
    origin = headers.get("origin")
    own = {headers.get("host", ""), urlsplit(web.public_url or "").netloc} - {""}
    if origin is not None and urlsplit(origin).netloc not in own:
        raise refused
    given = headers.get(CSRF_HEADER)
    if given is None and headers.get("content-type", "").startswith(
        ("application/x-www-form-urlencoded", "multipart/form-data")
    ):
        value = (await request.form()).get(CSRF_FIELD)
        given = value if isinstance(value, str) else None
    if token is None or given is None or not hmac.compare_digest(given.encode(), csrf_of(token).encode()):
        raise refused


def csrf_of(token: str) -> str:
    """What the forms of a session hold. It says nothing about the session's token."""
    return hmac.new(token.encode(), b"csrf", "sha256").hexdigest()


def digest_of(token: str) -> str:
    """SHA-256 of a token, in hex; the accounts know nothing else of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def address_of(request: Request) -> str:
    """Where a request comes from; of an IPv6 address the network, for a host there has very many."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def _well_formed(token: str | None) -> str | None:
    return token if token is not None and _TOKEN.fullmatch(token) else None
