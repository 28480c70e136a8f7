import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from callveil.adapters import signing_keys
from callveil.adapters.ed25519 import Ed25519Signer, public_pem
from callveil.adapters.signing_keys import KeyFolder, KeyState, keys_folder
from callveil.errors import ConfigError, RefusedError
from callveil.testing import START, ManualClock, throw_away_signer


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def folder(tmp_path, clock):
    return KeyFolder(tmp_path / "deep" / "keys", clock)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def states(folder: KeyFolder) -> dict[str, str]:
    return {key.key_id: key.state for key in folder.known()}


def test_a_new_key_signs_and_only_its_owner_can_read_it(folder):
    made = folder.create()
    assert folder.signer().key_id == made.key_id
    assert (mode(folder.root), mode(folder.root / "private.pem")) == (0o700, 0o600)
    (known,) = folder.known()
    assert known == made
    assert (known.state, known.created_at, known.retired_at) == (KeyState.ACTIVE, START, None)


def test_the_permissions_do_not_depend_on_the_umask(folder):
    earlier = os.umask(0)
    try:
        folder.create()
    finally:
        os.umask(earlier)
    assert {mode(path) for path in folder.root.iterdir()} == {0o600}
    assert mode(folder.root) == 0o700


def test_a_second_active_key_is_refused_and_the_first_one_stays(folder):
    made = folder.create()
    with pytest.raises(RefusedError, match="callveil keys rotate"):
        folder.create()
    assert folder.signer().key_id == made.key_id


def test_rotation_keeps_the_public_key_and_deletes_the_private_one(folder, clock):
    old = folder.create()
    old_pem = folder.signer().private_pem()
    clock.advance(timedelta(days=1))
    new = folder.rotate()
    assert folder.signer().key_id == new.key_id != old.key_id
    assert all(old_pem != path.read_bytes() for path in folder.root.iterdir())
    retired, active = folder.known()
    assert (retired.key_id, retired.state) == (old.key_id, KeyState.RETIRED)
    assert (retired.created_at, retired.retired_at) == (START, START + timedelta(days=1))
    assert (active.key_id, active.state) == (new.key_id, KeyState.ACTIVE)
    assert folder.public_keys() == {key.key_id: key.public_key for key in (old, new)}


def test_there_is_nothing_to_rotate_in_an_empty_folder(folder):
    with pytest.raises(ConfigError, match="callveil keys create"):
        folder.rotate()


def test_no_key_says_how_to_make_one_and_makes_none(folder):
    with pytest.raises(ConfigError, match="callveil keys create"):
        folder.signer()
    assert folder.known() == ()
    assert not folder.root.exists()


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o602])
def test_a_private_key_that_others_may_reach_is_refused(folder, bits):
    folder.create()
    (folder.root / "private.pem").chmod(bits)
    with pytest.raises(ConfigError, match=f"private.pem: has mode {bits:04o}; allowed: 0600"):
        folder.signer()
    with pytest.raises(ConfigError, match="mode"):
        folder.rotate()


@pytest.mark.parametrize("bits", [0o770, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(folder, bits):
    folder.root.mkdir(parents=True)
    folder.root.chmod(bits)
    with pytest.raises(ConfigError, match=f"has mode {bits:04o}; allowed: 0700"):
        folder.create()
    folder.root.chmod(0o700)
    folder.create()
    folder.root.chmod(bits)
    with pytest.raises(ConfigError, match="allowed: 0700"):
        folder.signer()


def test_two_creations_at_once_make_one_key(folder, clock):
    def create(_: int) -> str | None:
        try:
            return KeyFolder(folder.root, clock).create().key_id
        except RefusedError:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [key_id for key_id in pool.map(create, range(24)) if key_id]
    assert len(made) == 1
    assert states(folder) == {made[0]: "active"}


def test_rotations_at_once_lose_no_public_key(folder, clock):
    first = folder.create()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: KeyFolder(folder.root, clock).rotate().key_id, range(12)))
    assert set(folder.public_keys()) == {first.key_id, *made}
    assert sorted(states(folder).values()) == ["active"] + ["retired"] * 12


def test_a_rotation_that_is_cut_off_leaves_the_active_key(folder, monkeypatch):
    old = folder.create()
    write = signing_keys.write_whole

    def full_disk(path, content, *, draft):
        if path.name == "private.pem":
            raise OSError(28, "No space left on device")
        write(path, content, draft=draft)

    monkeypatch.setattr(signing_keys, "write_whole", full_disk)
    with pytest.raises(ConfigError, match="key folder: No space left on device"):
        folder.rotate()
    assert folder.signer().key_id == old.key_id
    assert states(folder)[old.key_id] == "active"


def test_the_key_of_somebody_else_is_trusted_and_does_not_sign(folder, clock):
    ours, theirs = folder.create(), throw_away_signer()
    clock.advance(timedelta(hours=1))
    known = folder.trust(public_pem(theirs.public_key), "k.pem")
    assert (known.key_id, known.state) == (theirs.key_id, KeyState.TRUSTED)
    assert known.created_at == START + timedelta(hours=1)
    assert folder.signer().key_id == ours.key_id
    assert folder.public_keys()[theirs.key_id] == theirs.public_key


def test_trusting_a_key_of_ones_own_changes_nothing(folder):
    ours = folder.create()
    assert folder.trust(public_pem(ours.public_key), "k.pem") == ours


def test_a_private_key_is_not_taken_for_a_public_one(folder):
    with pytest.raises(ConfigError, match="is no public key"):
        folder.trust(throw_away_signer().private_pem(), "k.pem")


def test_another_key_of_the_same_id_is_refused(folder, monkeypatch):
    ours = folder.create()
    monkeypatch.setattr(signing_keys, "key_id_of", lambda _: ours.key_id)
    with pytest.raises(ConfigError, match="another key has the same id"):
        folder.trust(public_pem(throw_away_signer().public_key), "k.pem")


def test_a_public_key_under_another_name_is_refused(folder):
    made = folder.create()
    (folder.root / f"{'0' * 16}.pem").write_bytes(public_pem(made.public_key))
    with pytest.raises(ConfigError, match=r"0000\.pem: is not the key that its name says"):
        folder.public_keys()


def test_a_damaged_record_is_named(folder):
    made = folder.create()
    (folder.root / f"{made.key_id}.json").write_text('{"own": true')
    with pytest.raises(ConfigError, match=rf"{made.key_id}\.json: cannot be read"):
        folder.known()


def test_a_public_key_put_there_by_hand_is_trusted(folder):
    folder.create()
    theirs = throw_away_signer()
    (folder.root / f"{theirs.key_id}.pem").write_bytes(public_pem(theirs.public_key))
    assert folder.key(theirs.key_id).state is KeyState.TRUSTED


def test_a_private_key_put_there_by_hand_signs_and_is_known(folder):
    folder.root.mkdir(parents=True, mode=0o700)
    path = folder.root / "private.pem"
    path.write_bytes(throw_away_signer().private_pem())
    path.chmod(0o600)
    assert folder.signer().key_id in folder.public_keys()
    folder.rotate()
    assert states(folder)[throw_away_signer().key_id] == "retired"


def test_a_damaged_private_key_is_named_and_not_quoted(folder):
    folder.create()
    (folder.root / "private.pem").write_text("hush-hush")
    with pytest.raises(ConfigError, match=r"private\.pem: is no signing key") as caught:
        folder.signer()
    assert "hush" not in str(caught.value)


def test_an_unknown_key_id_is_an_error_of_ours(folder):
    with pytest.raises(ConfigError, match="KEY_ID: no such key"):
        folder.key("f" * 16)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CALLVEIL_KEYS_DIR": "/k"}, "/k"),
        ({"XDG_DATA_HOME": "/data"}, "/data/callveil/keys"),
        ({"XDG_DATA_HOME": "relative"}, str(Path.home() / ".local/share/callveil/keys")),
        ({}, str(Path.home() / ".local/share/callveil/keys")),
    ],
)
def test_where_keys_lie(environment, expected):
    assert str(keys_folder(environment)) == expected


def test_signers_of_two_folders_differ(tmp_path, clock):
    made = {KeyFolder(tmp_path / name, clock).create().key_id for name in "ab"}
    assert len(made) == 2
    assert Ed25519Signer.generate().key_id not in made
