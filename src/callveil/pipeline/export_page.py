"""index.html of an export: a page that a person opens without network, scripts or help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateModule

from callveil import __version__
from callveil.pipeline.report import clock
from callveil.pipeline.report_views import turn_view
from callveil.rights import export_documents as words
from callveil.rights.export_documents import ExportedCall, ExportFacts
from callveil.rights.wording import BASES, FLAGS, METHODS, PARTS, PURPOSES, counted, day, day_and_time
from callveil.vocabulary.recording import Part

_ROLES = {
    "agent": "agent",
    "customer": "caller or customer",
    "supervisor": "supervisor",
    "third_party": "other party",
}
_DID = {
    "transcriber": "wrote down what was said",
    "diarizer": "told the speakers apart",
    "detector": "looked for personal details",
    "listener": "checked the redacted recording",
}
_SOURCES = {"call": "came with the call", "staff": "noted by staff", "system": "noted by a system"}
_FILES = {
    Part.AUDIO.value: "recording",
    Part.TRANSCRIPT.value: "transcript for machines",
    Part.CAPTIONS.value: "subtitles",
    Part.VCON.value: "whole call for machines (vCon)",
    Part.CERTIFICATE.value: "signed record of what was done",
}


class Page:
    """Writes the page in three parts, so that no page of many calls is ever in memory."""

    def __init__(self) -> None:
        environment = Environment(
            loader=PackageLoader("callveil.pipeline", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(clock=clock, day=day, day_and_time=day_and_time, counted=counted)
        environment.globals.update(
            words=words,
            purposes=PURPOSES,
            bases=BASES,
            flags=FLAGS,
            methods=METHODS,
            parts=PARTS,
            roles=_ROLES,
            did=_DID,
            sources=_SOURCES,
            files=_FILES,
            audio_name=Part.AUDIO.value,
            version=__version__,
        )
        self._macros: TemplateModule = environment.get_template("export.html.j2").make_module()

    def top(self, facts: ExportFacts) -> str:
        """The page up to the first call."""
        return str(self._macros.top(facts))  # type: ignore[attr-defined]  # a macro of the template

    def call(self, exported: ExportedCall, transcript: Mapping[str, Any] | None, number: int) -> str:
        """One call.

        Args:
            exported: What there is to say of it.
            transcript: Content of transcript.json; None when there is none.
            number: From 1, as in the folders of the archive.
        """
        turns = [turn_view(turn) for turn in transcript["turns"]] if transcript else []
        return str(self._macros.call(exported, turns, number))  # type: ignore[attr-defined]

    def bottom(self, facts: ExportFacts) -> str:
        """The page after the last call."""
        return str(self._macros.bottom(facts))  # type: ignore[attr-defined]
