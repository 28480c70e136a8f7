"""The deployment files, as far as they can be checked without Docker and Prometheus.

Checked: compose.yaml against the Compose Specification's JSON schema; that services, secrets, volumes and
networks it names exist; that containers are locked down; that commands parse as Callveil's own; that no
secret stands in it. The Dockerfile's instructions and their order. That every metric in the rules exists.
Not checked: that the images start. tests/e2e/test_layout.py starts the same processes without containers.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml
from prometheus_client import CollectorRegistry

from callveil.adapters.metrics import ApiMetrics, WorkerMetrics
from callveil.cli import app
from callveil.config import load_config
from callveil.testing import ManualClock, temporary_ledger
from callveil.vocabulary.ledger import CallState

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OURS = ("api", "worker", "office", "watch", "models", "bucket")


def read_environment(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def read_compose(environment: dict[str, str]) -> dict[str, Any]:
    """The file with its variables filled in, as Docker Compose does."""

    def value(match: re.Match[str]) -> str:
        return environment.get(match[1]) or match[3] or ""

    text = re.sub(r"\$\{(\w+)(:-([^}]*))?\}", value, (DEPLOY / "compose.yaml").read_text())
    assert "$" not in text
    found: dict[str, Any] = yaml.safe_load(text)
    return found


ENVIRONMENT = read_environment(DEPLOY / ".env.example")
COMPOSE = read_compose(ENVIRONMENT)
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_compose_is_what_the_specification_says():
    schema = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text())
    # This edition of the schema is older than the top-level name.
    checked = {key: value for key, value in COMPOSE.items() if key != "name"}
    problems = [
        f"{list(error.path)}: {error.message}"
        for error in jsonschema.Draft201909Validator(schema).iter_errors(checked)
    ]
    assert problems == []


def test_compose_needs_no_environment_file_to_be_read():
    assert set(read_compose({})["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_is_there(name):
    service = SERVICES[name]
    assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        if not source.startswith("."):
            assert source in COMPOSE["volumes"]
        elif source != ENVIRONMENT["DROP_FOLDER"]:
            assert (DEPLOY / source).exists()
    for needed, condition in service.get("depends_on", {}).items():
        if condition["condition"] == "service_healthy":
            assert "test" in SERVICES[needed]["healthcheck"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_containers_gain_nothing(name):
    service = SERVICES[name]
    tag = service["image"].rpartition(":")[2]
    assert re.search(r"\d", tag)
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert not service.get("cap_add")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_locked_down(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert {"/tmp", "/data"} <= set(service["tmpfs"])


def test_only_who_must_reaches_the_outside():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"api", "models", "office", "prometheus"}


def test_each_secret_goes_where_it_is_needed_and_nowhere_else():
    has = {
        secret: {name for name, service in SERVICES.items() if secret in service.get("secrets", ())}
        for secret in COMPOSE["secrets"]
    }
    assert has["signing_key"] == {"worker", "office"}
    assert has["ingest_keys"] == {"api"}
    assert has["subject_keys"] == {"api", "watch", "office"}
    assert has["office_keys"] == has["recipients"] == has["oidc_secret"] == {"office"}
    assert has["postgres_password"] == {"postgres"}
    assert has["s3_identities"] == {"s3"}
    assert has["landing_key"] <= set(OURS)
    for name in OURS:
        environment = {**ENVIRONMENT, **SERVICES[name].get("environment", {})}
        if name != "models":
            named = {value for key, value in environment.items() if key.endswith("_FILE")}
            assert named == {f"/run/secrets/{secret}" for secret in SERVICES[name]["secrets"]}


@pytest.mark.parametrize("name", ["api", "worker", "watch", "models", "office"])
def test_commands_are_callveils(name):
    context = typer.main.get_command(app).make_context(
        "callveil", list(SERVICES[name]["command"]), resilient_parsing=False
    )
    command = context.command
    arguments = (
        [*context._protected_args, *context.args] if hasattr(context, "_protected_args") else context.args
    )
    while hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context("verb", arguments)


def test_the_pages_are_not_where_the_public_is():
    assert "--no-pages" in SERVICES["api"]["command"]
    assert "--no-pages" not in SERVICES["office"]["command"]
    assert SERVICES["office"]["ports"] == ["127.0.0.1:8081:8080"]
    networks = ENVIRONMENT["FORWARDED_ALLOW_IPS"].split(",")
    assert all(ip_network(each).is_private for each in networks)


def test_the_settings_of_the_pages_that_the_profile_shows_are_good_ones(tmp_path):
    text = (DEPLOY / "callveil.toml").read_text()
    shown = re.sub(r"(?m)^# (\[web|[a-z_]+ = )", r"\1", text)
    assert shown.count("[web") == 2
    (tmp_path / "callveil.toml").write_text(shown)
    web = load_config(str(tmp_path / "callveil.toml"), {}).profile.web
    assert (web.public_url, web.oidc.client_id) == ("https://calls.example.com", "callveil")
    assert len(web.two_person) == 2


def test_the_profile_is_one():
    config = load_config(str(DEPLOY / "callveil.toml"), {})
    assert config.profile.store.s3.endpoint == "s3:8333"


def test_no_secret_stands_in_a_file():
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.suffix in (".yaml", ".example", ".toml", ".md", ""):
            text = path.read_text()
            assert not re.search(
                r"(?i)(password|secret_key|secret|token)\s*[:=]\s*[A-Za-z0-9+/]{12,}\s*$", text, re.M
            ), path
            assert "PRIVATE KEY" not in text


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def test_the_dockerfile_is_well_formed():
    found = instructions()
    known = {
        "FROM", "ARG", "ENV", "RUN", "COPY", "WORKDIR", "USER", "LABEL", "VOLUME", "EXPOSE", "HEALTHCHECK",
        "ENTRYPOINT", "CMD", "STOPSIGNAL",
    }  # fmt: skip
    assert {name for name, _ in found} <= known
    assert found[0][0] == "FROM"
    stages = [value for name, value in found if name == "FROM"]
    assert [stage.split()[0] for stage in stages] == ["python:3.11-slim-bookworm"] * 2
    names = {stage.split()[2] for stage in stages if " AS " in stage}
    for name, value in found:
        if name == "COPY":
            parts = shlex.split(value)
            source = next(
                (part.removeprefix("--from=") for part in parts if part.startswith("--from=")), None
            )
            plain = [part for part in parts if not part.startswith("--")]
            assert source in names if source else all((ROOT / path).exists() for path in plain[:-1])
        if name in ("ENTRYPOINT", "CMD", "VOLUME"):
            assert isinstance(json.loads(value), list)
        if name == "RUN":
            subprocess.run(["bash", "-n", "-c", value], check=True)


def test_the_last_stage_runs_as_nobody_special_and_says_when_it_is_well():
    found = instructions()
    last = found[max(index for index, (name, _) in enumerate(found) if name == "FROM") :]
    (user,) = [value for name, value in last if name == "USER"]
    assert user == "10001:10001"
    order = [name for name, _ in last]
    assert order.index("USER") > max(index for index, name in enumerate(order) if name in ("COPY", "RUN"))
    assert order.count("HEALTHCHECK") == order.count("ENTRYPOINT") == order.count("CMD") == 1
    (command,) = [json.loads(value) for name, value in last if name == "CMD"]
    assert command[0] == "serve"


def test_the_build_context_holds_what_is_copied_and_nothing_else():
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        path
        for name, value in instructions()
        if name == "COPY" and "--from" not in value
        for path in value.split()[:-1]
    }
    assert {path.rstrip("/") for path in copied} == allowed


def metric_names() -> dict[str, tuple[str, ...]]:
    """Every name that is exposed, with its labels."""
    registry = CollectorRegistry()
    WorkerMetrics(registry)
    found: dict[str, tuple[str, ...]] = {}
    with temporary_ledger() as ledger:
        api = ApiMetrics(ledger, ledger.books, ManualClock())
        exposed = api.text().decode()
        registries = [registry, api._registry]
        for each in registries:
            for collector in list(each._collector_to_names):
                for name in each._collector_to_names[collector]:
                    found[name] = tuple(getattr(collector, "_labelnames", ()))
    for line in exposed.splitlines():
        if line.startswith("# TYPE"):
            found.setdefault(line.split()[2], ("state",))
    return found


RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
JOBS = [
    job["job_name"]
    for job in yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_metric_in_a_rule_exists(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    expression, known = rule["expr"], metric_names()
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)
    for name, labels in re.findall(r"\b((?:callveil_|up\b)\w*)(\{[^}]*\})?", expression):
        if name == "up":
            assert re.search(r'job="([^"]+)"', labels)[1] in JOBS
            continue
        assert name in known, name
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', labels):
            assert label in known[name]
            if label == "state":
                assert set(value.split("|")) <= set(CallState)
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))


def test_a_wrong_metric_would_be_found():
    names = metric_names()
    assert {"callveil_pushes_total", "callveil_ledger_up", "callveil_publish_latency_seconds_bucket"} <= set(
        names
    )
    assert not {"callveil_push_total", "callveil_calls_total"} & set(names)


def test_prometheus_looks_where_the_services_listen():
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    for job in config["scrape_configs"]:
        (target,) = job["dns_sd_configs"]
        (name,) = target["names"]
        assert name in SERVICES
        assert str(target["port"]) in SERVICES[name]["command"]
    (rules,) = config["rule_files"]
    assert (DEPLOY / "prometheus" / Path(rules).name).is_file()


def test_secrets_are_made_once(tmp_path):
    def make() -> dict[str, bytes]:
        subprocess.run([DEPLOY / "make-secrets.sh", tmp_path / "s"], check=True, capture_output=True)
        return {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()}

    first = make()
    assert set(first) == set(COMPOSE["secrets"])
    # Without an identity provider there is no secret of one.
    assert {name for name, content in first.items() if not content} == {"oidc_secret"}
    assert make() == first
    assert oct((tmp_path / "s").stat().st_mode & 0o777) == "0o700"
    environment = {
        "CALLVEIL_LANDING_KEY_FILE": str(tmp_path / "s" / "landing_key"),
        "CALLVEIL_SIGNING_KEY_FILE": str(tmp_path / "s" / "signing_key"),
        "CALLVEIL_INGEST_KEYS_FILE": str(tmp_path / "s" / "ingest_keys"),
    }
    from callveil.config import load_site
    from callveil.kit import open_key_wrapper, signer_of

    config = load_config("default", environment)
    assert signer_of(config.secrets.signing_key) is not None
    assert open_key_wrapper(config.secrets).key_id
    assert len(load_site(tmp_path, environment).ingest_keys) == 1
    identity = json.loads(first["s3_identities"])["identities"][0]["credentials"][0]
    assert identity == {
        "accessKey": first["s3_access_key"].decode().strip(),
        "secretKey": first["s3_secret_key"].decode().strip(),
    }


def test_scripts_parse():
    for script in DEPLOY.rglob("*.sh"):
        subprocess.run(["bash", "-n", script], check=True)
        assert os.access(script, os.X_OK)


def test_the_bucket_policy_gives_each_role_what_it_needs_and_no_more():
    statements = json.loads((DEPLOY / "bucket-policy.json").read_text())["Statement"]
    may = {role: set() for role in ("reader", "worker", "office")}
    for statement in statements:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            assert resource.startswith("arn:aws:s3:::BUCKET")
        if statement["Effect"] == "Deny":
            continue
        assert "Condition" not in statement
        for principal in statement["Principal"]["AWS"]:
            role = principal.removeprefix("arn:aws:iam::ACCOUNT:user/callveil-")
            may[role] |= set(statement["Action"])
    assert not any("*" in action for actions in may.values() for action in actions)
    assert all(action.startswith(("s3:Get", "s3:List")) for action in may["reader"])
    assert may["office"] - may["worker"] == {"s3:PutObjectLegalHold"}
    assert may["worker"] < may["office"]
    needed = (
        (DEPLOY / "test-s3" / "README.md").read_text().split("## What the keys of an installation need")[1]
    )
    assert {"s3:PutObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"} <= may["worker"]
    for word in re.findall(r"`(?:s3:)?([A-Z][A-Za-z]+)`", needed):
        if word not in {"Get", "Put"}:
            assert f"s3:{word}" in may["office"], word
