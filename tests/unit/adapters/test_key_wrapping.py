import base64
import os
import stat

import pytest

from callveil.adapters.key_wrapping import LocalKeyWrapper, create_landing_key
from callveil.config import load_config
from callveil.errors import ConfigError, RefusedError, TamperedError
from callveil.kit import open_key_wrapper, open_landing

KEY, OTHER, DATA_KEY = b"k" * 32, b"o" * 32, bytes(range(32))


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_the_vector_of_the_standard():
    """RFC 3394, 4.6: 256 bits of key data with a 256-bit KEK."""
    kek = bytes.fromhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F")
    data = bytes.fromhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")
    wrapped = "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
    wrapper = LocalKeyWrapper(kek)
    assert wrapper.wrap(data) == bytes.fromhex(wrapped)
    assert wrapper.unwrap(wrapper.key_id, bytes.fromhex(wrapped)) == data


def test_every_changed_byte_is_noticed():
    wrapper = LocalKeyWrapper(KEY)
    wrapped = wrapper.wrap(DATA_KEY)
    changed = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(len(wrapped))]
    for content in [*changed, wrapped[:-1], wrapped[:-8], b"", wrapped + bytes(8)]:
        with pytest.raises(TamperedError):
            wrapper.unwrap(wrapper.key_id, content)


def test_earlier_keys_unwrap_and_the_active_one_wraps():
    earlier, heir = LocalKeyWrapper(OTHER), LocalKeyWrapper.from_text(text(KEY), f"{text(OTHER)}\n")
    assert heir.unwrap(earlier.key_id, earlier.wrap(DATA_KEY)) == DATA_KEY
    assert heir.key_id == LocalKeyWrapper(KEY).key_id != earlier.key_id
    with pytest.raises(ConfigError, match="CALLVEIL_LANDING_OLD_KEYS"):
        earlier.unwrap(heir.key_id, heir.wrap(DATA_KEY))


@pytest.mark.parametrize("separator", [" ", ",", ", ", "\n"])
def test_several_earlier_keys(separator):
    heir = LocalKeyWrapper.from_text(text(KEY), separator.join([text(OTHER), text(DATA_KEY)]))
    for key in (OTHER, DATA_KEY):
        earlier = LocalKeyWrapper(key)
        assert heir.unwrap(earlier.key_id, earlier.wrap(DATA_KEY)) == DATA_KEY


@pytest.mark.parametrize("wrong", ["", "hush-hush", "äöü", text(b"short"), text(KEY)[:-1], text(KEY + b"x")])
def test_what_is_no_key_is_refused_and_not_shown(wrong):
    for arguments, where in (((wrong,), "CALLVEIL_LANDING_KEY"), ((text(KEY), wrong), "_OLD_KEYS")):
        if not wrong and where == "_OLD_KEYS":
            continue
        with pytest.raises(ConfigError, match=where) as raised:
            LocalKeyWrapper.from_text(*arguments)
        assert not wrong or wrong not in str(raised.value)


def test_it_prints_no_key():
    wrapper = LocalKeyWrapper(KEY, [OTHER])
    assert repr(wrapper) == f"LocalKeyWrapper({wrapper.key_id})"
    assert len(wrapper.key_id) == 16


def test_a_key_file_is_made_once_and_works_through_the_environment(tmp_path):
    path = tmp_path / "keys" / "landing"
    key_id = create_landing_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = path.read_bytes()
    with pytest.raises(RefusedError, match="stays as it is"):
        create_landing_key(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["landing"]
    secrets = load_config(environ={"CALLVEIL_LANDING_KEY_FILE": str(path)}).secrets
    assert open_key_wrapper(secrets).key_id == key_id
    landing = open_landing(tmp_path / "landing", secrets)
    with landing.begin() as writer:
        writer.write(b"abc")
        writer.finish()
    secrets = load_config(
        environ={"CALLVEIL_LANDING_KEY": text(KEY), "CALLVEIL_LANDING_OLD_KEYS_FILE": str(path)}
    ).secrets
    assert b"".join(open_landing(tmp_path / "landing", secrets).read(writer.token)) == b"abc"


def test_a_key_file_of_the_site_is_read_where_the_environment_names_none(tmp_path):
    path, none = tmp_path / "landing.key", load_config(environ={}).secrets
    with pytest.raises(ConfigError, match="there is none"):
        open_key_wrapper(none, path)
    key_id = create_landing_key(path)
    assert open_key_wrapper(none, path).key_id == key_id
    given = load_config(environ={"CALLVEIL_LANDING_KEY": text(KEY)}).secrets
    assert open_key_wrapper(given, path).key_id == LocalKeyWrapper(KEY).key_id
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="0640"):
        open_key_wrapper(none, path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        open_key_wrapper(none, path)


def test_a_key_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be written"):
        create_landing_key(tmp_path / "file" / "key")


def test_without_a_key_there_is_no_landing(tmp_path):
    with pytest.raises(ConfigError, match="CALLVEIL_LANDING_KEY_FILE"):
        open_landing(tmp_path, load_config(environ={}).secrets)
    assert os.listdir(tmp_path) == []
