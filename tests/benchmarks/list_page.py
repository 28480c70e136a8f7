"""The page with the list of calls, from request to answer, over a ledger that is there already."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from pydantic import SecretStr

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landing_folder import LandingFolder
from callveil.adapters.ledger_sql import SqlLedger
from callveil.adapters.resources import resource_folder
from callveil.adapters.subject_keys import SubjectKeys
from callveil.config import Site, load_config
from callveil.kit import Service
from callveil.testing import ManualClock, MemoryStore
from callveil.vocabulary.accounts import User, WebRole
from callveil.web.pages.app import build_pages


def page_works(ledger: SqlLedger, folder: Path, queues: frozenset[str]) -> dict[str, Callable[[], Any]]:
    """Requests for the list, by name: of somebody who sees all calls, and of a reviewer of some queues.

    Args:
        ledger: With the calls.
        folder: For what a service needs besides; nothing is written there.
        queues: Of the reviewer.
    """
    service = _service(ledger, folder)
    app = build_pages(service)
    every, some = _signed_in(service, app, "rita", frozenset()), _signed_in(service, app, "nora", queues)
    asked = {
        "page of all calls": (every, "/calls"),
        "page of a reviewer": (some, "/calls"),
        "page by length": (every, "/calls?sort=length"),
        "page of a common word": (every, "/calls?q=please"),
        "page of a common word, reviewer": (some, "/calls?q=please"),
        "page of a queue and a state": (every, "/calls?queue=queue-3&state=quarantined"),
        "page of an agent": (every, "/calls?agent=agent-0007"),
        "last page of all calls": (every, "/calls?last=1"),
    }
    return {name: lambda ask=ask: _get(*ask) for name, ask in asked.items()}


def _get(client: TestClient, path: str) -> None:
    answer = client.get(path)
    if answer.status_code != 200 or answer.text.count("data-row ") == 0:
        raise RuntimeError(f"{path}: {answer.status_code}, or no calls on it")


def _service(ledger: SqlLedger, folder: Path) -> Service:
    config, clock = load_config("default"), ManualClock()
    site = Site(
        data=folder,
        ledger=SecretStr("not used"),
        landing=folder / "landing",
        landing_key=folder / "landing.key",
        store="not used",
        broker="not used",
        ingest_keys=(),
    )
    return Service(
        config=config,
        site=site,
        ledger=ledger,
        books=ledger.books,
        landing=LandingFolder(site.landing, LocalKeyWrapper(bytes(32))),
        store=MemoryStore(clock=clock),
        originals=None,
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        hasher=SubjectKeys([bytes(32)]),
        clock=clock,
    )


def _signed_in(service: Service, app: Any, name: str, queues: frozenset[str]) -> TestClient:
    accounts, now, token = service.books.accounts, service.clock.now(), secrets.token_urlsafe(32)
    user = User(name=name, roles=frozenset({WebRole.REVIEWER}), queues=queues, created_at=now)
    accounts.add(user, kept="benchmark", actor="benchmark", now=now)
    digest = hashlib.sha256(token.encode()).hexdigest()
    limits = service.config.profile.web.session_limits
    begun = accounts.sign_in(
        name, digest, kept="benchmark", ends=[], address="benchmark", limits=limits, now=now
    )
    if begun is None:
        raise RuntimeError("no session could be begun")
    return TestClient(
        app, headers={"Accept": "text/html"}, cookies={"callveil": token}, follow_redirects=False
    )
