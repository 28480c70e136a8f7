"""What a certificate proves about the parts beside it, and what it does not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from callveil.stages.documents.flac_header import flac_header
from callveil.stages.documents.signature import FIELD, is_signed_by, parse_signature, signed_bytes, written
from callveil.vocabulary.recording import Part

_MAJOR = "1."
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class FaultKind(StrEnum):
    """How a call is not what was published, or why that cannot be told."""

    ALTERED = "altered"
    MISSING = "missing"
    UNLISTED = "unlisted"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a published call; safe to print.

    Attributes:
        part: Name of the object.
        kind: In a word.
        what: In a sentence.
    """

    part: str
    kind: FaultKind
    what: str

    def __str__(self) -> str:
        return f"{self.part}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCertificate:
    """A certificate that was checked by itself.

    Attributes:
        document: What it says; None when it says too little to check the parts.
        key_id: Whose signature it carries, valid or not; None when it carries none.
        faults: What is wrong with it.
    """

    document: Mapping[str, Any] | None
    key_id: str | None
    faults: tuple[Fault, ...]


def check_certificate(
    content: bytes, keys: Mapping[str, bytes], schema: Mapping[str, Any]
) -> CheckedCertificate:
    """Check fields, form and signature of a certificate.

    Args:
        content: The file.
        keys: Key id to raw public key, of those who are trusted.
        schema: certificate.schema.json.
    """
    document = _parsed(content)
    if document is None:
        return _useless(FaultKind.ALTERED, "is not JSON")
    if not str(document.get("schema_version")).startswith(_MAJOR):
        return _useless(FaultKind.UNPROVEN, "schema_version: this version of Callveil knows 1.x")
    fields = {name: value for name, value in document.items() if name != FIELD}
    required = [name for name in schema["required"] if name != FIELD]
    lacking = dict.fromkeys(_lacking({**schema, "required": required}, fields))
    faults = [
        _fault(Part.CERTIFICATE, FaultKind.UNPROVEN, f"{field} is missing or of another kind")
        for field in lacking
    ]
    signature = parse_signature(document.get(FIELD))
    return CheckedCertificate(
        document=None if lacking else document,
        key_id=signature.key_id if signature and _KEY_ID.fullmatch(signature.key_id) else None,
        faults=(*faults, *_check_signature(content, document, fields, keys)),
    )


def check_place(document: Mapping[str, Any], prefix: str) -> Iterator[Fault]:
    """Tell whether a call lies in its own folder.

    Args:
        document: The certificate.
        prefix: Folder it lies in, "calls/<yyyy>/<mm>/<dd>/<call id>/".
    """
    day = document["started_at"][:10].replace("-", "/")
    if prefix != f"calls/{day}/{document['call_id']}/":
        yield _fault(Part.CERTIFICATE, FaultKind.ALTERED, "belongs to another call than its folder")


def check_names(
    document: Mapping[str, Any], names: Iterable[str], removed: Collection[str] = ()
) -> Iterator[Fault]:
    """Compare what is there with what the certificate lists.

    Args:
        document: The certificate.
        names: Of all objects of the call.
        removed: Names of those that were deleted on purpose; see `removed_notes`.
    """
    there, listed = set(names), set(listed_names(document))
    for name in sorted(listed - there - set(removed)):
        yield _fault(name, FaultKind.MISSING, "is listed in the certificate and is not there")
    for name in sorted(there - listed - {Part.CERTIFICATE.value}):
        yield _fault(name, FaultKind.UNLISTED, "is there and is not listed in the certificate")
    for name in document["outputs"]:
        if name not in listed:
            yield _fault(name, FaultKind.ALTERED, "is listed in the certificate and cannot be a part's name")


def removed_notes(names: Iterable[str], removed: Collection[str]) -> Iterator[str]:
    """Say which parts are said to be deleted on purpose, and whether they are.

    Args:
        names: Of all objects of the call.
        removed: Names of those that the store says were deleted by retention or erasure.
    """
    there = set(names)
    for name in sorted(removed):
        if name in there:
            yield f"{name}: is still there, though its removal by retention or erasure has begun"
        else:
            yield f"{name}: removed by retention or erasure; what it was can no longer be checked"


def listed_names(document: Mapping[str, Any]) -> list[str]:
    """Names of the other parts that a certificate lists; none leads out of the folder."""
    return [name for name in document["outputs"] if _NAME.fullmatch(name) and name != Part.CERTIFICATE.value]


def check_content(document: Mapping[str, Any], name: str, content: bytes) -> Iterator[Fault]:
    """Compare a listed part with its certificate.

    Args:
        document: The certificate.
        name: One of `listed_names`.
        content: Of the part.
    """
    if hashlib.sha256(content).hexdigest() != document["outputs"][name]:
        yield _fault(name, FaultKind.ALTERED, "content differs from the certificate")
        return
    if name != Part.AUDIO:
        return
    header = flac_header(content)
    if header is None:
        yield _fault(name, FaultKind.ALTERED, "is not FLAC")
        return
    for field in ("rate_hz", "channels", "n_samples"):
        if getattr(header, field) != document["audio"][field]:
            yield _fault(name, FaultKind.ALTERED, f"its header has another {field} than the certificate")


def check_tags(document: Mapping[str, Any], name: str, tags: Mapping[str, str]) -> Iterator[Fault]:
    """Compare the tags of a part with its certificate.

    Args:
        document: The certificate.
        name: Of the part.
        tags: Its tags.
    """
    for tag, right in (("callveil-call", document["call_id"]), ("callveil-part", name)):
        if tags.get(tag) != right:
            what = "names another one than the certificate" if tag in tags else "is missing"
            yield _fault(name, FaultKind.ALTERED, f"its tag {tag} {what}")


def check_models(document: Mapping[str, Any], models: Mapping[str, Mapping[str, str]]) -> Iterator[Fault]:
    """Compare the model files of a certificate with those that Callveil ships manifests of.

    Args:
        document: The certificate.
        models: Model name to file to SHA-256.
    """
    for role, model, file, sha256 in _model_files(document):
        if models.get(model, {}).get(file, sha256) != sha256:
            what = f"{role}: {shown(f'{model}/{file}')} is not the file of that model's manifest"
            yield _fault(Part.CERTIFICATE, FaultKind.ALTERED, what)


def unknown_models(document: Mapping[str, Any], models: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Say which model files of a certificate cannot be compared; see `check_models`."""
    for role, model, file, _ in _model_files(document):
        if file not in models.get(model, {}):
            yield f"{role}: {shown(f'{model}/{file}')} is not known here"


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _check_signature(
    content: bytes, document: Mapping[str, Any], fields: Mapping[str, Any], keys: Mapping[str, bytes]
) -> Iterator[Fault]:
    if FIELD not in document:
        yield _fault(Part.CERTIFICATE, FaultKind.UNPROVEN, "is not signed")
        return
    signature = parse_signature(document[FIELD])
    if signature is None:
        yield _fault(Part.CERTIFICATE, FaultKind.ALTERED, "its signature is none of Ed25519")
        return
    try:
        as_written, message = written(fields, signature), signed_bytes(fields)
    except (ValueError, RecursionError):  # NaN, half a character
        as_written = message = b""
    if content != as_written:
        # Another space, order or spelling, a key twice: it reads the same and is not what was written.
        yield _fault(Part.CERTIFICATE, FaultKind.ALTERED, "is not in the form in which Callveil writes it")
    public_key = keys.get(signature.key_id)
    if public_key is None:
        who = signature.key_id if _KEY_ID.fullmatch(signature.key_id) else "without a proper id"
        what = f"is signed by key {who}, which is not known here"
        yield _fault(Part.CERTIFICATE, FaultKind.UNPROVEN, what)
    elif not is_signed_by(public_key, message, signature):
        yield _fault(Part.CERTIFICATE, FaultKind.ALTERED, "content differs from what was signed")


def _lacking(schema: Mapping[str, Any], value: object, path: str = "") -> Iterator[str]:
    """Required fields that are missing, and fields that are of another kind than the schema says."""
    allowed = schema.get("type", list(_KINDS))
    if not any(_is(value, kind) for kind in ([allowed] if isinstance(allowed, str) else allowed)):
        yield path
        return
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield path
    dot = f"{path}." if path else ""
    if isinstance(value, dict):
        yield from (f"{dot}{name}" for name in schema.get("required", ()) if name not in value)
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            if name in known:
                yield from _lacking(known[name], inner, f"{dot}{name}")
            elif isinstance(others, dict):
                yield from _lacking(others, inner, f"{dot}*")
    elif isinstance(value, list) and "items" in schema:
        for inner in value:
            yield from _lacking(schema["items"], inner, f"{dot}*")


def _is(value: object, kind: str) -> bool:
    return isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _model_files(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for engine in document["engines"]:
        for path, sha256 in engine["files"].items():
            model, _, file = path.partition("/")
            yield shown(engine["role"]), model, file, sha256


def _useless(kind: FaultKind, what: str) -> CheckedCertificate:
    return CheckedCertificate(document=None, key_id=None, faults=(_fault(Part.CERTIFICATE, kind, what),))


def _fault(part: str, kind: FaultKind, what: str) -> Fault:
    return Fault(part=shown(str(part)), kind=kind, what=what)


def shown(name: str) -> str:
    """A name from an unproven document, fit to print: strange characters might play with a terminal."""
    return name if re.fullmatch(r"[A-Za-z0-9_./-]+", name) else ascii(name)[:200]
