"""Which subject keys an installation uses: those of its folder or of its environment, never two at once."""

import pytest

from callveil.adapters.subject_keys import SubjectKeys, create_subject_keys, read_subject_keys
from callveil.config import load_config
from callveil.errors import ConfigError
from callveil.kit import LazyHasher, open_subject_keys
from callveil.vocabulary.rights import IdentifierKind

GIVEN = SubjectKeys([bytes([7]) * 32])


def secrets(**environ: str):
    return load_config(environ=environ).secrets


def test_without_keys_it_is_said_how_to_make_them(tmp_path):
    with pytest.raises(ConfigError, match="subject-key create"):
        open_subject_keys(secrets(), tmp_path / "subject-keys.json")


def test_the_file_is_read_where_the_environment_names_none(tmp_path):
    path = tmp_path / "subject-keys.json"
    create_subject_keys(path)
    assert open_subject_keys(secrets(), path).text() == read_subject_keys(path).text()


def test_the_environment_or_a_file_that_it_names(tmp_path):
    path = tmp_path / "secret"
    path.write_text(GIVEN.text())
    for given in ({"CALLVEIL_SUBJECT_KEYS": GIVEN.text()}, {"CALLVEIL_SUBJECT_KEYS_FILE": str(path)}):
        assert open_subject_keys(secrets(**given), tmp_path / "none").text() == GIVEN.text()
    with pytest.raises(ConfigError, match="CALLVEIL_SUBJECT_KEYS: holds no subject keys"):
        open_subject_keys(secrets(CALLVEIL_SUBJECT_KEYS="hush-hush"), tmp_path / "none")


def test_two_different_ones_are_refused_for_one_of_them_finds_nobody(tmp_path):
    path = tmp_path / "subject-keys.json"
    create_subject_keys(path)
    with pytest.raises(ConfigError, match="one of the two"):
        open_subject_keys(secrets(CALLVEIL_SUBJECT_KEYS=GIVEN.text()), path)
    same = read_subject_keys(path).text()
    assert open_subject_keys(secrets(CALLVEIL_SUBJECT_KEYS=same), path).text() == same


def test_keys_are_read_when_they_are_first_needed():
    read = []

    def build() -> SubjectKeys:
        read.append(1)
        return GIVEN

    hasher = LazyHasher(build)
    assert read == []
    assert hasher.generation == 1
    assert hasher.digests(IdentifierKind.PHONE, "x") == GIVEN.digests(IdentifierKind.PHONE, "x")
    assert hasher.identity(IdentifierKind.PHONE, "x", 0) == GIVEN.identity(IdentifierKind.PHONE, "x", 0)
    with pytest.raises(ValueError, match="generation"):
        hasher.step(1)
    assert read == [1]
