"""`callveil serve`, `worker`, `reconcile`: the processes of the streaming service."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from pathlib import Path
from typing import Annotated

import typer

from callveil.adapters.local_files import make_folders
from callveil.cli.output import console, print_json
from callveil.config import Config, Site, load_config, load_site
from callveil.errors import ConfigError
from callveil.kit import Office, Service, build_office, build_service, check_config, open_signer

Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the installation's data; CALLVEIL_DATA when left out.", show_default=False),
]
ProfileOption = Annotated[str, typer.Option(help="Name of a profile, or a TOML file.")]
LogLevel = Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")]


def open_service(data: Path | None, profile: str) -> Service:
    """The service of a profile and a data folder."""
    return build_service(*load(data, profile))


def open_office(data: Path | None, profile: str) -> Office:
    """What retention and rights work with, of a profile and a data folder.

    Raises:
        ConfigError: There is no ledger in the folder, or something is set up wrongly.
    """
    return build_office(*load(data, profile))


def load(data: Path | None, profile: str) -> tuple[Config, Site]:
    """Profile and site."""
    return load_config(profile), load_site(data)


def check_subject_keys(service: Service) -> None:
    """Read the subject keys now: a call taken in without them would never be found again by its person.

    Raises:
        ConfigError: There are none, or they may not be used.
    """
    if service.hasher.generation < 1:
        raise ConfigError("subject keys: there are none")


def actor() -> str:
    """Who acts, for the audit chain: the login of whoever started this."""
    return f"cli:{getpass.getuser()}"


def serve(
    data: Data = None,
    profile: ProfileOption = "default",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8080,
    open_status: Annotated[
        bool, typer.Option("--open-status", help="Answer unsigned status reads; only on a loopback address.")
    ] = False,
    no_pages: Annotated[
        bool, typer.Option("--no-pages", help="Serve the API alone, such as to the internet.")
    ] = False,
    log_level: LogLevel = "INFO",
) -> None:
    """Take calls in, and show the pages: the ingest API, the telephony servers, the web application.

    Exit codes: 0 stopped; 2 wrong configuration, nothing was started.
    """
    import uvicorn

    from callveil.adapters.json_logs import log_as_json
    from callveil.web.site import build_site

    config, site = load(data, profile)
    if not site.ingest_keys:
        raise ConfigError(
            "ingest keys: there is none; allowed: CALLVEIL_INGEST_KEYS (or ..._FILE), or"
            f" {site.ingest_key_file}, which `callveil ingest-key rotate` makes"
        )
    if open_status and host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError("--open-status: only on a loopback address")
    service = build_service(config, site)
    check_subject_keys(service)
    log_as_json(log_level)
    app = build_site(service, open_status=open_status, with_pages=not no_pages)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ws_max_size=2**20,
    )


def worker(
    data: Data = None,
    profile: ProfileOption = "default",
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Port for Prometheus; 0 for none.")] = 0,
    metrics_host: Annotated[str, typer.Option(help="Address for Prometheus.")] = "127.0.0.1",
    log_level: LogLevel = "INFO",
) -> None:
    """Redact calls as they come in over Kafka, and look after what is owed.

    Exit codes: 0 stopped; 1 the stream failed for good; 2 wrong configuration, nothing was started.
    """
    from callveil.adapters.json_logs import log_as_json
    from callveil.pipeline.worker import run_worker

    config, site = load(data, profile)
    check_config(config)
    open_signer(config)  # without a key nothing can be published, so nothing is heard
    make_folders(site.data)  # for what Faust keeps
    log_as_json(log_level)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    run_worker(build_service(config, site), name, metrics_port=metrics_port, metrics_host=metrics_host)


def reconcile(
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Look once for what is owed: lost events and workers, calls cut off, audio that must go.

    Also for what was begun for persons: deletions, reviews, legal holds, notices to recipients. A worker does
    the same every few seconds; on the folder of `callveil process` a daily timer should.
    """
    from callveil.pipeline.reconcile import reconcile as look
    from callveil.pipeline.reconcile import reconcile_processed

    config, site = load(data, profile)
    if site.is_processed:
        found = reconcile_processed(build_office(config, site))
    else:
        found = look(build_service(config, site))
    if as_json:
        print_json(found.numbers)
        return
    console.print(
        f"{found.reemitted} calls owed again, {found.cut_off} cut off and closed, {found.shredded} recordings"
        f" of finished calls shredded, {found.orphans} recordings of no call shredded"
    )
    console.print(
        f"{found.removals} deletions finished, {found.requests} requests carried on,"
        f" {found.holds} legal holds mended, {found.receipts} receipts of recipients came, {found.late} are"
        f" late, {found.indexed} transcripts entered the search, {found.failed} things failed and are tried"
        " again"
    )
