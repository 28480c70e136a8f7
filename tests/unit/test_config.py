import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callveil.cli import app
from callveil.config import SECRET_VARIABLES, Profile, explain, load_config, profile_names
from callveil.errors import ConfigError
from callveil.kit import build_kit, check_config, engine_options, open_policies, policy_notes
from callveil.vocabulary.retention import KeptPart, Period


@pytest.fixture
def profile(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "centre.toml"
        path.write_text(text)
        return str(path)

    return write


def test_an_empty_profile_is_the_defaults(profile):
    config = load_config(profile(""), environ={})
    assert config.profile.transcriber.engine == "faster-whisper"
    assert config.given == frozenset()


@pytest.mark.parametrize("name", profile_names())
def test_every_shipped_profile_is_all_right(name):
    check_config(load_config(name, environ={}))


BAD = [
    (
        "misspelt key",
        "[masking]\npad_befor_s = 0.1",
        ["masking", "pad_befor_s", "did you mean 'pad_before_s'"],
    ),
    ("misspelt table", "[maskin]\naudio = 'tone'", ["maskin", "did you mean 'masking'"]),
    ("wrong kind", "[masking]\npad_after_s = 'half a second'", ["masking.pad_after_s", "0 to 2 seconds"]),
    ("wrong unit", "[masking]\npad_after_s = 400", ["masking.pad_after_s", "0 to 2 seconds"]),
    ("unknown style", "[masking]\naudio = 'beep'", ["masking.audio", "'silence', 'tone' or 'noise'"]),
    ("scheme in endpoint", "[store.s3]\nendpoint = 'https://s3.example'", ["store.s3", "without scheme"]),
    ("impossible", "[diarizer.mono]\nengine = 'channels'", ["diarizer", "channel map cannot tell"]),
    ("negative", "[retention]\nkeep_days = 0", ["retention.keep_days", "1 to 36525"]),
    (
        "no such policies",
        "[retention]\npolicies = 'gone.toml'",
        ["retention.policies", "gone.toml", "tried in order"],
    ),
    ("no such rules", "[consent]\nrules = 'gone.toml'", ["consent.rules", "gone.toml", "tried in order"]),
    ("not TOML", "masking = ", ["is not TOML"]),
    (
        "unknown engine",
        "[transcriber]\nengine = 'kaldi'",
        ["transcriber.engine", "'kaldi'", "faster-whisper"],
    ),
    (
        "option of another engine",
        "[diarizer.dual]\nengine = 'channels'\noptions = {beam_size = 5}",
        ["diarizer.dual.options", "beam_size"],
    ),
    (
        "unknown option",
        "[transcriber]\nengine = 'faster-whisper'\noptions = {beem_size = 5}",
        ["transcriber.options", "did you mean 'beam_size'"],
    ),
    ("unknown scope", "[verify]\nscope = 'some'", ["verify.scope", "all or near"]),
    ("no round at all", "[verify]\nmax_rounds = 0", ["verify.max_rounds", "1 to 10 times"]),
    ("misspelt verify key", "[verify]\nmax_round = 3", ["verify", "did you mean 'max_rounds'"]),
    (
        "unknown listener",
        "[verify.listener]\nengine = 'kaldi'",
        ["verify.listener.engine", "'kaldi'", "faster-whisper"],
    ),
    (
        "unknown option of the listener",
        "[verify.listener]\nengine = 'faster-whisper'\noptions = {beem_size = 5}",
        ["verify.listener.options", "did you mean 'beam_size'"],
    ),
    ("options without an engine", "[verify.listener]\noptions = {beam_size = 1}", ["verify.listener.engine"]),
    (
        "a listener with the transcriber's own model",
        "[verify.listener]\nengine = 'faster-whisper'\noptions = {model = 'whisper-base-ct2'}",
        ["verify.listener: uses the transcriber's own model", "allowed: another model"],
    ),
    (
        "that model because it is the engine's default",
        "[verify.listener]\nengine = 'faster-whisper'",
        ["verify.listener: uses the transcriber's own model"],
    ),
    (
        "that model through another engine",
        "[verify.listener]\nengine = 'openai-whisper'\noptions = {model = 'whisper-base-ct2'}",
        ["verify.listener: uses the transcriber's own model"],
    ),
    (
        "a transcriber with the listener's model",
        "[transcriber]\nengine = 'faster-whisper'\noptions = {model = 'whisper-tiny-en-ct2'}",
        ["verify.listener: uses the transcriber's own model"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_profile_names_file_and_key(profile, text, expected):
    path = profile(text)
    with pytest.raises(ConfigError) as caught:
        check_config(load_config(path, environ={}))
    message = str(caught.value)
    assert "centre.toml" in message
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    "text",
    [
        "[verify.listener]\nengine = 'openai-whisper'\noptions = {model = 'whisper-tiny-en-ct2'}",
        "[transcriber]\nengine = 'openai-whisper'\noptions = {model = 'whisper-base-ct2'}",
    ],
)
def test_another_model_through_any_engine_may_listen(profile, text):
    check_config(load_config(profile(text), environ={}))


def test_a_listener_with_the_transcribers_model_is_refused_before_any_model_is_loaded(profile, tmp_path):
    config = load_config(
        profile("[verify.listener]\nengine = 'faster-whisper'"), environ={"CALLVEIL_MODELS_DIR": "/nowhere"}
    )
    with pytest.raises(ConfigError, match=r"centre\.toml: verify\.listener"):
        build_kit(config, str(tmp_path / "store"))


def test_the_default_profile_says_what_holds_without_it(profile):
    given, defaults = load_config("default", environ={}).profile, load_config(profile(""), environ={}).profile
    assert given.verify == defaults.verify == Profile().verify
    assert given.masking == defaults.masking


def test_explain_lists_how_calls_are_verified(profile):
    path = profile("[verify]\nscope = 'near'")
    config = load_config(path, environ={})
    rows = {row.key: row for row in explain(config)}
    assert (rows["verify.scope"].value, rows["verify.scope"].origin) == ("near", path)
    assert (rows["verify.max_rounds"].value, rows["verify.max_rounds"].origin) == (5, "default")
    assert rows["verify.listener.engine"].value == "faster-whisper"
    options = engine_options(config)
    assert options["verify.listener.options.model"] == "whisper-tiny-en-ct2"
    assert options["verify.listener.options.beam_size"] == 1


def test_an_unknown_profile_lists_the_shipped_ones():
    with pytest.raises(ConfigError, match=r"'defualt'.*default, openai-whisper"):
        load_config("defualt", environ={})


def test_explain_tells_where_each_value_came_from(profile):
    path = profile("[masking]\naudio = 'tone'")
    rows = {row.key: row for row in explain(load_config(path, environ={}))}
    assert (rows["masking.audio"].value, rows["masking.audio"].origin) == ("tone", path)
    assert (rows["masking.text"].value, rows["masking.text"].origin) == ("entity", "default")


def test_secrets_come_from_the_environment_and_are_never_shown(tmp_path):
    path = tmp_path / "secret"
    path.write_text("hush-hush\n")
    environ = {
        "CALLVEIL_S3_ACCESS_KEY": "AKIAEXAMPLE",
        "CALLVEIL_S3_SECRET_KEY_FILE": str(path),
        "CALLVEIL_SIGNING_KEY_FILE": str(path),
        "CALLVEIL_LANDING_KEY_FILE": str(path),
        "CALLVEIL_LANDING_OLD_KEYS": "hush-hush hush-hush",
        "CALLVEIL_SUBJECT_KEYS": "hush-hush",
        "CALLVEIL_OIDC_SECRET": "hush-hush",
    }
    config = load_config("default", environ=environ)
    assert config.secrets.s3_secret_key is not None
    assert config.secrets.s3_secret_key.get_secret_value() == "hush-hush"
    shown = repr(config) + repr(explain(config)) + repr(config.secrets)
    assert "hush-hush" not in shown
    assert "AKIAEXAMPLE" not in shown
    assert {row.value for row in explain(config) if row.key.startswith("secrets.")} == {"set"}


def test_a_missing_secret_file_is_named():
    with pytest.raises(ConfigError, match="CALLVEIL_S3_SECRET_KEY_FILE"):
        load_config("default", environ={"CALLVEIL_S3_SECRET_KEY_FILE": "/nowhere/secret"})


def test_a_secret_in_a_profile_is_refused(profile):
    with pytest.raises(ConfigError, match="secret_key"):
        load_config(profile("[store.s3]\nsecret_key = 'x'"), environ={})


def test_every_secret_has_a_variable():
    assert all(variable.startswith("CALLVEIL_") for variable in SECRET_VARIABLES.values())


POLICIES = """
[[policies]]
name = "sales"
match = { queues = ["sales"] }
keep = { audio = "2 years", transcript = "2 years" }
"""


def test_policies_lie_beside_the_profile_and_the_fallback_comes_last(profile, tmp_path):
    (tmp_path / "own.toml").write_text(POLICIES)
    config = load_config(profile("[retention]\npolicies = 'own.toml'\npolicy = 'house'\nkeep_days = 9"), {})
    sales, house = open_policies(config)
    assert (sales.name, sales.fallback) == ("sales", False)
    assert (house.name, house.fallback) == ("house", True)
    assert house.keep == dict.fromkeys(
        (KeptPart.AUDIO, KeptPart.TRANSCRIPT, KeptPart.CERTIFICATE), Period(days=9)
    )


def test_without_policies_the_fallback_is_alone(profile):
    config = load_config(profile("[retention]\npolicies = ''"), {})
    assert [policy.name for policy in open_policies(config)] == ["standard"]


def test_the_fallback_names_the_original_where_originals_are_sealed(profile):
    sealing = "[originals]\nkeep = 'seal'\nlocation = 'o'\nkeep_days = 7"
    assert open_policies(load_config(profile(sealing), {}))[-1].keep[KeptPart.ORIGINAL] == Period(days=7)


def test_policies_that_contradict_each_other_are_refused(profile, tmp_path):
    (tmp_path / "own.toml").write_text(POLICIES + 'duty = { audio = "5 years" }\n' + POLICIES)
    with pytest.raises(ConfigError) as caught:
        check_config(load_config(profile("[retention]\npolicies = 'own.toml'"), {}))
    assert "own.toml: two policies have the name" in str(caught.value)
    assert "but its duty is 5 years" in str(caught.value)


def test_originals_that_nobody_keeps_are_noted(profile):
    (note,) = policy_notes(load_config(profile(""), {}))
    assert note.startswith('the original is to be kept by "mifid", "mifid-7", but originals.keep')
    sealing = "[originals]\nkeep = 'seal'\nlocation = 'o'"
    assert policy_notes(load_config(profile(sealing), {})) == ()


def test_config_check_shows_notes():
    found = CliRunner().invoke(app, ["config", "check", "--json"])
    assert json.loads(found.stdout)["notes"] == list(policy_notes(load_config("default", {})))
    assert "note: the original" in CliRunner().invoke(app, ["config", "check"]).stdout
