"""Check that published calls are what was published: their certificates, offline. Listens to nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from callveil.adapters.model_manifests import load_manifests
from callveil.adapters.resources import resource_folder
from callveil.adapters.store_rules import is_call_prefix, removed_parts
from callveil.errors import MetadataError, NotFoundError, StoreError
from callveil.ports import ObjectStore
from callveil.stages.documents.check_certificate import (
    Fault,
    FaultKind,
    check_certificate,
    check_content,
    check_models,
    check_names,
    check_place,
    check_tags,
    listed_names,
    removed_notes,
    shown,
    unknown_models,
)
from callveil.vocabulary.recording import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What certificates are held against.

    Attributes:
        keys: Key id to raw public key, of those who are trusted.
        models: Model name to file to SHA-256.
        schema: certificate.schema.json.
    """

    keys: Mapping[str, bytes]
    models: Mapping[str, Mapping[str, str]]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCall:
    """What the check of one call showed.

    Attributes:
        place: Its folder.
        call_id: As the certificate says; None when it cannot be read.
        key_id: Whose signature it carries; None when it carries none.
        faults: What is wrong; none when the call is intact.
        notes: What could not be compared, and is no fault.
    """

    place: str
    call_id: str | None
    key_id: str | None
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def result(self) -> str:
        """In a word: intact, altered, or unproven when nothing differs and nothing proves it either."""
        if not self.faults:
            return "intact"
        return "altered" if any(fault.kind is not FaultKind.UNPROVEN for fault in self.faults) else "unproven"


def known(keys: Mapping[str, bytes]) -> Known:
    """The given keys, with the models and the format of this installation.

    Raises:
        ConfigError: The installation is incomplete.
    """
    manifests = load_manifests(resource_folder("models"))
    models = {name: {file.path: file.sha256 for file in found.files} for name, found in manifests.items()}
    schema = json.loads((files("callveil") / "schemas" / "certificate.schema.json").read_bytes())
    return Known(keys=keys, models=models, schema=schema)


def find_calls(store: ObjectStore, call: str | None) -> Sequence[str]:
    """Folders of the calls to check.

    Args:
        store: Where they are.
        call: Call id, or folder of a call; None for all calls.

    Raises:
        NotFoundError: No such call is published.
        MetadataError: `call` is None and the store holds no call: its name is misspelt, more likely than not.
        StoreError: The store failed.
    """
    if call is None:
        if found := list(store.list_calls()):
            return found
        raise MetadataError("--all: there is no published call in this store")
    folder = call.rstrip("/") + "/"
    if is_call_prefix(folder):
        found = list(store.list_calls(folder))
    else:
        found = [prefix for prefix in store.list_calls() if prefix.endswith(f"/{folder}")]
    if not found:
        raise NotFoundError(f"call {call!r} is not published in this store")
    return found


def verify_stored(store: ObjectStore, prefix: str, against: Known) -> CheckedCall:
    """Check one call of a store.

    Args:
        store: Where it is.
        prefix: Its folder.
        against: Keys, models and format.
    """
    return _verify(_StoredCall(store, prefix), against)


def verify_file(certificate: Path, against: Known) -> CheckedCall:
    """Check a certificate and the parts that lie beside it in a folder, wherever that came from.

    Args:
        certificate: The file.
        against: Keys, models and format.

    Raises:
        MetadataError: There is no such file.
    """
    if certificate.name != Part.CERTIFICATE or not certificate.is_file():
        raise MetadataError(f"FILE: {certificate} is no certificate.json; for a call of a store give --store")
    return _verify(_CallFolder(certificate.absolute().parent), against)


class _Parts(Protocol):
    """The objects of one call. All methods raise `StoreError` when something cannot be read."""

    place: str

    def names(self) -> Sequence[str]: ...

    def read(self, name: str) -> bytes: ...

    def removed(self) -> frozenset[str]: ...

    def check_place(self, document: Mapping[str, Any]) -> Iterator[Fault]: ...

    def check_tags(self, document: Mapping[str, Any], name: str) -> Iterator[Fault]: ...


class _StoredCall:
    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self.place = store, prefix

    def names(self) -> Sequence[str]:
        return [stored.key.removeprefix(self.place) for stored in self._store.list_objects(self.place)]

    def read(self, name: str) -> bytes:
        return self._store.get(self.place + name)

    def removed(self) -> frozenset[str]:
        return removed_parts(self._store.tags(self.place + Part.CERTIFICATE))

    def check_place(self, document: Mapping[str, Any]) -> Iterator[Fault]:
        return check_place(document, self.place)

    def check_tags(self, document: Mapping[str, Any], name: str) -> Iterator[Fault]:
        return check_tags(document, name, self._store.tags(self.place + name))


class _CallFolder:
    """A copy of a call: no tags, and its folder tells something only where it looks like that of a store.

    Whether a part was removed on purpose only the store can say, so in a copy it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.place = folder, str(folder)

    def names(self) -> Sequence[str]:
        return sorted(path.name for path in self._folder.iterdir())

    def read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise StoreError(error.strerror or type(error).__name__) from error

    def removed(self) -> frozenset[str]:
        return frozenset()

    def check_place(self, document: Mapping[str, Any]) -> Iterator[Fault]:
        prefix = "/".join(self._folder.parts[-5:]) + "/"
        return check_place(document, prefix) if is_call_prefix(prefix) else iter(())

    def check_tags(self, document: Mapping[str, Any], name: str) -> Iterator[Fault]:  # noqa: ARG002
        return iter(())


def _verify(parts: _Parts, against: Known) -> CheckedCall:
    try:
        content = parts.read(Part.CERTIFICATE)
    except StoreError as error:
        fault = _unreadable(Part.CERTIFICATE, error)
        return CheckedCall(place=parts.place, call_id=None, key_id=None, faults=(fault,), notes=())
    certificate = check_certificate(content, against.keys, against.schema)
    document = certificate.document
    if document is None:
        notes = ("the other parts were not checked",)
        return CheckedCall(
            place=parts.place,
            call_id=None,
            key_id=certificate.key_id,
            faults=certificate.faults,
            notes=notes,
        )
    names = parts.names()
    removed = _removed(parts)
    faults = (
        *certificate.faults,
        *parts.check_place(document),
        *check_names(document, names, removed),
        *_check_parts(parts, document, names),
        *check_models(document, against.models),
    )
    return CheckedCall(
        place=parts.place,
        call_id=shown(document["call_id"]),
        key_id=certificate.key_id,
        faults=faults,
        notes=(*removed_notes(names, removed), *unknown_models(document, against.models)),
    )


def _removed(parts: _Parts) -> frozenset[str]:
    try:
        return parts.removed()
    except StoreError:
        return frozenset()  # that its tags cannot be read is a fault of the certificate, found with them


def _check_parts(parts: _Parts, document: Mapping[str, Any], names: Sequence[str]) -> Iterator[Fault]:
    for name in (Part.CERTIFICATE.value, *listed_names(document)):
        if name not in names:
            continue
        try:
            if name != Part.CERTIFICATE:
                yield from check_content(document, name, parts.read(name))
            yield from parts.check_tags(document, name)
        except StoreError as error:
            yield _unreadable(name, error)


def _unreadable(name: str, error: StoreError) -> Fault:
    kind = FaultKind.MISSING if isinstance(error, NotFoundError) else FaultKind.UNPROVEN
    return Fault(part=str(name), kind=kind, what=f"cannot be read: {error}")
