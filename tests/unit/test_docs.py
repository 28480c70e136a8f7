"""The documents list every setting, verb, option, error, file and engine there is."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from callveil import errors, registry
from callveil.cli import app
from callveil.config import SECRET_VARIABLES, SITE_VARIABLES, Profile
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.recording import Part

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def settings(model: Any, prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            found += settings(field.annotation, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def commands(command: Any, path: str = "callveil") -> list[tuple[str, Any]]:
    if hasattr(command, "commands"):
        return [found for name, sub in command.commands.items() for found in commands(sub, f"{path} {name}")]
    return [(path, command)]


VERBS = commands(typer.main.get_command(app))
CODES = [
    cls.code
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, errors.CallveilError)
]


@pytest.mark.parametrize("key", settings(Profile))
def test_every_setting_is_in_the_readme(key):
    assert f"`{key}`" in README


@pytest.mark.parametrize(("path", "command"), VERBS, ids=[path for path, _ in VERBS])
def test_every_verb_and_option_is_in_the_readme(path, command):
    group, *verb = path.split()[1:]
    row = next((line for line in README.splitlines() if line.startswith(f"| `callveil {group}")), "")
    assert all(f"`{name}`" in row or name in row for name in verb)
    for option in command.params:
        if option.param_type_name == "option" and option.name != "help":
            assert f"{max(option.opts, key=len)}`" in row or f"{max(option.opts, key=len)} " in row, (
                option.opts
            )


@pytest.mark.parametrize("verb", [command for _, command in VERBS], ids=[path for path, _ in VERBS])
def test_every_verb_and_option_explains_itself(verb):
    assert verb.help
    for option in verb.params:
        if option.param_type_name == "option":
            assert option.help, option.name


@pytest.mark.parametrize("code", sorted(set(CODES) - {"error"}))
def test_every_error_code_is_in_the_readme(code):
    assert f"`{code}`" in README


@pytest.mark.parametrize("part", list(Part))
def test_every_part_is_in_the_formats(part):
    assert part.value in (ROOT / "FORMATS.md").read_text()


@pytest.mark.parametrize("role", ["transcriber", "diarizer", "detector"])
def test_every_engine_is_in_the_readme(role):
    for engine in registry.engine_names(role):
        assert f"`{engine}`" in README


@pytest.mark.parametrize(
    "variable",
    [*SECRET_VARIABLES.values(), "CALLVEIL_KEYS_DIR", "CALLVEIL_MODELS_DIR", "CALLVEIL_MODELS_SOURCE"],
)
def test_every_environment_variable_is_in_the_readme(variable):
    assert f"`{variable}`" in README


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CALLS.md",
        "FORMATS.md",
        "TELEPHONY.md",
        "SERVICE.md",
        "RIGHTS.md",
        "RETENTION.md",
    ],
)
def test_links_in_documents_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        if "://" not in target:
            assert (ROOT / target).exists(), target


SERVICE = (ROOT / "SERVICE.md").read_text()


def test_every_metric_is_in_the_service_document():
    source = (ROOT / "src/callveil/adapters/metrics.py").read_text()
    names = set(re.findall(r'"(callveil_[a-z_]+)"', source))
    assert len(names) > 10
    for name in names:
        assert re.search(rf"`{name}(_total)?[`{{]", SERVICE), name


@pytest.mark.parametrize("variable", sorted(SITE_VARIABLES.values()))
def test_every_variable_of_the_site_is_in_the_service_document(variable):
    assert f"| `{variable}` |" in SERVICE


@pytest.mark.parametrize("state", list(CallState))
def test_every_state_is_in_the_service_document(state):
    assert state.value.upper() in SERVICE
