"""What the verbs print with: tables for people, JSON for machines, one shape for errors."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

from rich.console import Console

from callveil.errors import CallveilError, ConfigError, MetadataError, RefusedError

EXIT_OK, EXIT_ERROR, EXIT_CONFIG, EXIT_SOME_FAILED, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130

console = Console()
errors = Console(stderr=True)


def say(text: str, *, error: bool = False) -> None:
    """Print a sentence for people, as it stands; on stderr when it is a warning."""
    (errors if error else console).print(text, markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def fail(error: CallveilError) -> NoReturn:
    """Print an error on stderr and leave with its exit code."""
    errors.print(f"[bold red]{error.code}[/]:", end=" ")
    errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
    sys.exit(exit_code(error))


def exit_code(error: CallveilError) -> int:
    """Exit code of an error that ended a verb."""
    if isinstance(error, (ConfigError, MetadataError)):
        return EXIT_CONFIG
    return EXIT_REFUSED if isinstance(error, RefusedError) else EXIT_ERROR
