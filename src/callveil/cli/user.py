"""`callveil user`: who may use the pages, and tokens for machines."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from callveil.cli.output import console, print_json, say
from callveil.cli.service import Data, actor
from callveil.cli.sought import Json, how_many
from callveil.config import load_config, load_site
from callveil.errors import ConfigError, MetadataError, NotFoundError
from callveil.kit import MOST_DAYS, SystemClock, new_token, open_accounts, open_passwords
from callveil.stages.documents.forms import utc
from callveil.vocabulary.accounts import (
    ApiToken,
    ExternalIdentity,
    Privilege,
    Scope,
    User,
    WebRole,
    user_name,
)

app = typer.Typer(help="Who may use the pages, and tokens for machines.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Of the user: what they sign in with.", show_default=False)
]
Roles = Annotated[
    list[WebRole] | None,
    typer.Option("--role", help="What the user's day is; repeatable.", show_default=False),
]
Privileges = Annotated[
    list[Privilege] | None,
    typer.Option("--privilege", help="What no role brings along; repeatable.", show_default=False),
]
Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queue", help="A queue whose calls the user sees; repeatable. None: all.", show_default=False
    ),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
]

OidcSubject = Annotated[
    str | None,
    typer.Option(
        "--oidc-subject",
        help='Who the user is at the identity provider (its claim "sub"); the sign-in page shows it to who is'
        " not entered yet.",
        show_default=False,
    ),
]
Profile = Annotated[str, typer.Option("--profile", help="Names the identity provider: web.oidc.issuer.")]

_MOST_BYTES = 4096
_MOST_SUBJECT = 255


@app.command("add")
def add(
    name: Name,
    role: Roles = None,
    privilege: Privileges = None,
    queue: Queues = None,
    password_stdin: PasswordStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For a machine, which comes with a token.")
    ] = False,
    oidc_subject: OidcSubject = None,
    profile: Profile = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Enter a user. The ledger is made when there is none yet, so the first one can be entered any time.

    Who comes through an identity provider (--oidc-subject) gets a password only with --password-stdin.

    Exit codes: 0 entered; 2 wrong use; 4 there is a user of this name or identity already.
    """
    user = User(
        name=_name(name),
        roles=frozenset(role or ()),
        privileges=frozenset(privilege or ()),
        queues=frozenset(_queues(queue)),
        created_at=SystemClock().now(),
    )
    if not user.roles:
        raise MetadataError(f"--role: one or more are needed: {', '.join(WebRole)}")
    if password_stdin and no_password:
        raise MetadataError("--password-stdin, --no-password: one of them is allowed")
    identity = _identity(oidc_subject, profile)
    has_none = no_password or (identity is not None and not password_stdin)
    kept = None if has_none else open_passwords().hash(_password(password_stdin))
    accounts = open_accounts(load_site(data), make=True)
    made = accounts.add(user, kept=kept, identity=identity, actor=actor(), now=user.created_at)
    _tell(made, "entered", as_json)


@app.command("list")
def list_users(data: Data = None, as_json: Json = False) -> None:
    """Show users, what they may, and their tokens."""
    accounts, now = open_accounts(load_site(data)), SystemClock().now()
    users, tokens = accounts.users(), accounts.tokens()
    if as_json:
        rows = [
            {**_fields(user), "tokens": [_token_fields(each) for each in tokens if each.user == user.name]}
            for user in users
        ]
        print_json({"users": rows})
        return
    if not users:
        say("There is no user yet. callveil user add NAME --role admin enters the first one.")
        return
    table = Table(title="Users", title_justify="left")
    for column in ("user", "roles", "privileges", "queues", "state", "tokens"):
        table.add_column(column, overflow="fold")
    for user in users:
        good = [e for e in tokens if e.user == user.name and e.revoked_at is None and e.expires_at > now]
        table.add_row(
            user.name,
            ", ".join(sorted(user.roles)),
            ", ".join(sorted(user.privileges)) or "none",
            ", ".join(sorted(user.queues)) or "all",
            "may sign in" if user.disabled_at is None else f"disabled {user.disabled_at:%Y-%m-%d}",
            "\n".join(f"{each.token_id} until {each.expires_at:%Y-%m-%d}: {each.label}" for each in good),
        )
    console.print(table)


@app.command("change")
def change(
    name: Name,
    role: Roles = None,
    privilege: Privileges = None,
    no_privilege: Annotated[bool, typer.Option("--no-privilege", help="Take all privileges away.")] = False,
    queue: Queues = None,
    all_queues: Annotated[bool, typer.Option("--all-queues", help="Let the user see every queue.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give a user other roles, privileges or queues; what is given replaces what was there, at once.

    Exit codes: 0 changed; 1 no such user; 2 wrong use.
    """
    if not (role or privilege or no_privilege or queue or all_queues):
        raise MetadataError(
            "--role, --privilege, --no-privilege, --queue, --all-queues: one or more are needed"
        )
    if (privilege and no_privilege) or (queue and all_queues):
        raise MetadataError("--no-privilege, --all-queues: not together with --privilege or --queue")
    user = open_accounts(load_site(data)).change(
        _name(name),
        roles=role or None,
        privileges=() if no_privilege else privilege or None,
        queues=() if all_queues else _queues(queue) or None,
        actor=actor(),
        now=SystemClock().now(),
    )
    _tell(user, "changed", as_json)


@app.command("disable")
def disable(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Shut a user out at once: sessions end, tokens are revoked. The name stays, for the audit chain.

    Exit codes: 0 shut out; 1 no such user.
    """
    accounts = open_accounts(load_site(data))
    _tell(accounts.disable(_name(name), actor=actor(), now=SystemClock().now()), "disabled", as_json)


@app.command("enable")
def enable(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Let a user in again, and forget failed attempts to sign in. Revoked tokens stay so.

    Exit codes: 0 done; 1 no such user.
    """
    accounts = open_accounts(load_site(data))
    _tell(accounts.enable(_name(name), actor=actor(), now=SystemClock().now()), "enabled", as_json)


@app.command("password")
def password(name: Name, password_stdin: PasswordStdin = False, data: Data = None) -> None:
    """Give a user another password. Sessions of the user end.

    Exit codes: 0 done; 1 no such user; 2 the password is too short or too long.
    """
    accounts, known = open_accounts(load_site(data)), _name(name)
    accounts.get(known)
    kept = open_passwords().hash(_password(password_stdin))
    accounts.set_password(known, kept, actor=actor(), now=SystemClock().now())
    say(f"{known} has another password; sessions have ended.")


@app.command("identity")
def identity(
    name: Name,
    oidc_subject: OidcSubject = None,
    no_oidc: Annotated[bool, typer.Option("--no-oidc", help="No provider vouches for the user.")] = False,
    profile: Profile = "default",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say who a user is at the identity provider. Sessions of the user end.

    Exit codes: 0 done; 1 no such user; 2 wrong use; 4 it is another user's.
    """
    if (oidc_subject is not None) == no_oidc:
        raise MetadataError("--oidc-subject, --no-oidc: one of them is needed")
    found = _identity(oidc_subject, profile)
    accounts = open_accounts(load_site(data))
    made = accounts.set_identity(_name(name), found, actor=actor(), now=SystemClock().now())
    _tell(made, "changed", as_json)


@app.command("token")
def token(
    name: Name,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it is good for; repeatable.", show_default=False),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="Days until it expires.")] = 90,
    label: Annotated[str, typer.Option(help="What it is for, in a few words.", show_default=False)] = "",
    revoke: Annotated[
        str | None, typer.Option(help='Revoke a token instead, by its id, "tok-...".', show_default=False)
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a token for a machine; it is shown this once. It can do what its scopes and its user both may.

    Exit codes: 0 done; 1 no such user or token; 2 wrong use; 4 the user is disabled.
    """
    accounts, now, known = open_accounts(load_site(data)), SystemClock().now(), _name(name)
    if revoke is not None:
        if revoke not in {each.token_id for each in accounts.tokens(known)}:
            raise NotFoundError("this user has no such token")
        revoked = accounts.revoke_token(revoke, actor=actor(), now=now)
        if as_json:
            print_json(_token_fields(revoked))
        else:
            say(f"{revoke} is revoked.")
        return
    if not scope:
        raise MetadataError(f"--scope: one or more are needed: {', '.join(Scope)}")
    made, secret = new_token(known, scope, days=days, label=label, now=now)
    made = accounts.add_token(made, actor=actor(), now=now)
    if as_json:
        print_json({**_token_fields(made), "token": secret})
    else:
        say(f"{made.token_id} is good until {made.expires_at:%Y-%m-%d}. It is not shown again:")
        say(secret)


def _name(given: str) -> str:
    name = user_name(given)
    if name is None:
        raise MetadataError(
            'NAME: allowed: 1 to 64 letters a to z, digits, ".", "_", "-" and "@", a letter or digit first'
        )
    return name


def _identity(subject: str | None, profile: str) -> ExternalIdentity | None:
    if subject is None:
        return None
    if not (0 < len(subject) <= _MOST_SUBJECT and subject.isprintable()):
        raise MetadataError(f"--oidc-subject: allowed: 1 to {_MOST_SUBJECT} characters")
    issuer = load_config(profile).profile.web.oidc.issuer
    if issuer is None:
        raise ConfigError("--oidc-subject: the profile names no provider; set web.oidc.issuer")
    return ExternalIdentity(issuer=issuer, subject=subject)


def _queues(given: list[str] | None) -> list[str]:
    if any(not queue.strip() for queue in given or ()):
        raise MetadataError("--queue: is empty; allowed: the name of a queue")
    return given or []


def _password(from_stdin: bool) -> str:
    """The password, from standard input or typed twice.

    Raises:
        MetadataError: There is none.
    """
    if from_stdin:
        read = sys.stdin.buffer.read(_MOST_BYTES + 1)
        try:
            text = read.decode()
        except UnicodeDecodeError:
            text = ""
        text = text.removesuffix("\n").removesuffix("\r")
        if not text or len(read) > _MOST_BYTES or "\n" in text:
            raise MetadataError("--password-stdin: allowed: one line of UTF-8")
        return text
    if not sys.stdin.isatty():
        raise MetadataError("password: allowed: --password-stdin, or a terminal to type it at")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed


def _fields(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "roles": sorted(user.roles),
        "privileges": sorted(user.privileges),
        "queues": sorted(user.queues),
        "has_password": user.has_password,
        "oidc_subject": None if user.identity is None else user.identity.subject,
        "created_at": utc(user.created_at),
        "disabled_at": None if user.disabled_at is None else utc(user.disabled_at),
    }


def _token_fields(token: ApiToken) -> dict[str, Any]:
    times = {"revoked_at": token.revoked_at, "used_at": token.used_at}
    return {
        "token_id": token.token_id,
        "user": token.user,
        "label": token.label,
        "scopes": sorted(token.scopes),
        "created_at": utc(token.created_at),
        "expires_at": utc(token.expires_at),
        **{name: None if time is None else utc(time) for name, time in times.items()},
    }


def _tell(user: User, word: str, as_json: bool) -> None:
    if as_json:
        print_json(_fields(user))
        return
    say(f"{user.name} is {word}: {', '.join(sorted(user.roles))}.")
    if user.privileges:
        say(f"Privileges: {', '.join(sorted(user.privileges))}.")
    if user.queues:
        say(f"Sees calls of {how_many(len(user.queues), 'queue')}: {', '.join(sorted(user.queues))}.")
