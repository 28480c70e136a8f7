"""`callveil store check` tells a store that can be relied on from one that cannot."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import fromstring

import pytest
from typer.testing import CliRunner

from callveil.adapters.store_local import LocalStore
from callveil.adapters.store_trials import try_store
from callveil.cli import app
from callveil.errors import ConfigError, MetadataError, RefusedError
from callveil.testing import ManualClock, MemoryStore
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

LIFECYCLE = (
    b"<LifecycleConfiguration><Rule><ID>theirs</ID><Filter><Prefix>other/</Prefix></Filter>"
    b"<Status>Enabled</Status><Expiration><Days>3000</Days></Expiration></Rule></LifecycleConfiguration>"
)


def check(location, *more, code=0):
    result = CliRunner().invoke(app, ["store", "check", str(location), "--json", *more])
    assert result.exit_code == code, result.exception
    told = json.loads(result.stdout)
    assert told["fit"] is (code == 0)
    return {trial["name"]: trial for trial in told["trials"]}


def broken(trials):
    return {name for name, trial in trials.items() if not trial["works"]}


def test_a_folder_can_be_relied_on_and_nothing_is_left_in_it(tmp_path):
    (tmp_path / "mine").write_bytes(b"x")
    tmp_path.chmod(0o700)
    trials = check(tmp_path)
    assert broken(trials) == {"a lock that binds everybody"}
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]
    tmp_path.chmod(0o755)
    assert "the folder is closed to others" in broken(check(tmp_path))


def test_calls_of_a_folder_are_not_touched(tmp_path):
    part = PublishedPart(part=Part.CERTIFICATE, body=MaskedDocument(content=b"{}"), media_type="x/y")
    LocalStore(tmp_path).publish("calls/2026/11/23/c-1/", [part], tags={}, retain_until=None)
    before = sorted(path for path in tmp_path.rglob("*"))
    check(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_the_table_is_for_people(tmp_path):
    result = CliRunner().invoke(app, ["store", "check", str(tmp_path)])
    assert result.exit_code == 0
    assert "all that Callveil needs works" in result.stdout


@pytest.mark.parametrize(
    ("location", "kind"), [("nowhere", MetadataError), ("ftp://x/y", ConfigError), ("s3://b/p", ConfigError)]
)
def test_what_is_no_store_is_refused(monkeypatch, location, kind):
    monkeypatch.delenv("CALLVEIL_S3_ACCESS_KEY", raising=False)
    assert isinstance(CliRunner().invoke(app, ["store", "check", location]).exception, kind)


class Lying(MemoryStore):
    """A store with one fault."""

    def __init__(self, fault):
        super().__init__(clock=Now())
        self.fault = fault

    def delete_call(self, prefix, *, bypass_governance=False):
        if self.fault == "deletes before the date":
            bypass_governance = True
        if self.fault == "ignores holds" and prefix in self._calls:
            self._calls[prefix].legal_hold = False
        return super().delete_call(prefix, bypass_governance=bypass_governance)

    def set_tags(self, prefix, tags):
        if self.fault != "loses tags":
            super().set_tags(prefix, tags)

    def set_retention(self, prefix, until):
        if self.fault == "moves no date":
            raise RefusedError("told to fail")
        super().set_retention(prefix, until)

    def count_versions(self, prefix):
        return super().count_versions(prefix) + (self.fault == "keeps versions")

    def get(self, key):
        return super().get(key) + (b"x" if self.fault == "alters" else b"")

    def set_legal_hold(self, prefix, on):
        super().set_legal_hold(prefix, on or self.fault == "keeps holds")


class Now(ManualClock):
    def now(self):
        return datetime.now(UTC)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("deletes before the date", "a call is not deleted before its date"),
        ("ignores holds", "a legal hold stops every deletion, and can be lifted"),
        ("keeps holds", "a legal hold stops every deletion, and can be lifted"),
        ("loses tags", "tags change while a call is locked"),
        ("moves no date", "the date of a call moves both ways"),
        ("keeps versions", "a deleted call leaves nothing behind"),
        ("alters", "a call is stored whole and reads back as it was"),
    ],
)
def test_a_store_with_a_fault_is_found_out(fault, name):
    assert all(trial.works for trial in try_store(Lying(None), can_hold=True))
    (trial,) = [trial for trial in try_store(Lying(fault), can_hold=True) if trial.name == name]
    assert trial.needed
    assert not trial.works
    assert trial.problem


@pytest.fixture
def s3(s3_server, monkeypatch, tmp_path):
    """Buckets, and a profile that names their server."""
    region = f'region = "{s3_server.region}"\n' if s3_server.region else ""
    profile = tmp_path / "s3.toml"
    profile.write_text(
        f'[store.s3]\nendpoint = "{s3_server.endpoint}"\nsecure = {str(s3_server.secure).lower()}\n{region}'
    )
    monkeypatch.setenv("CALLVEIL_S3_ACCESS_KEY", s3_server.access_key)
    monkeypatch.setenv("CALLVEIL_S3_SECRET_KEY", s3_server.secret_key)
    return profile


def everything(client, bucket, prefix):
    versions = client.list_objects(bucket, prefix=prefix, recursive=True, include_version=True)
    return [version.object_name for version in versions] + [
        upload.object_name for upload in client._list_multipart_uploads(bucket, prefix=prefix).uploads
    ]


@pytest.mark.s3
@pytest.mark.parametrize(("kind", "missing"), [("lock", set()), ("plain", {"Object Lock"})])
def test_a_real_server_does_what_callveil_needs(s3_server, s3_buckets, s3, kind, missing):
    base = f"t-{uuid.uuid4().hex}"
    client, bucket = s3_server.client(), s3_buckets[kind]
    trials = check(f"s3://{bucket}/{base}", "--profile", str(s3), "--lifecycle")
    # Which of these a server does is its own affair; Callveil does without.
    assert broken(trials) - {"an upload in parts keeps tags and date"} == missing
    assert everything(client, bucket, base) == []
    assert client.get_bucket_lifecycle(bucket) is None
    assert ("a locked version is not deleted" in trials) is (kind == "lock")


@pytest.mark.s3
def test_lifecycle_rules_of_others_are_left_alone_and_named(s3_server, s3_buckets, s3):
    from callveil.adapters.s3_probe import S3Probe

    bucket = s3_buckets["plain"]
    probe = S3Probe(
        endpoint=s3_server.endpoint, name=bucket, access_key=s3_server.access_key,
        secret_key=s3_server.secret_key, secure=s3_server.secure, region=s3_server.region,
        timeout_s=10, attempts=1,
    )  # fmt: skip
    probe.set_lifecycle(LIFECYCLE)
    try:
        before = probe.lifecycle()
        name = "no other lifecycle rule deletes calls"
        trials = check(f"s3://{bucket}/mine", "--profile", str(s3), "--lifecycle")
        assert name not in broken(trials)
        assert "left alone" in trials["lifecycle rules by tag are accepted"]["problem"]
        assert probe.lifecycle() == before
        trials = check(f"s3://{bucket}/other", "--profile", str(s3))
        assert "theirs" in trials[name]["problem"]
        assert probe.lifecycle() == before
    finally:
        probe.set_lifecycle(None)


@pytest.mark.s3
def test_a_bucket_without_versions_is_found_out(s3_server, s3_buckets, s3):
    bucket = f"{s3_buckets['plain']}-none"
    client = s3_server.client()
    client.make_bucket(bucket)
    try:
        trials = check(f"s3://{bucket}/x", "--profile", str(s3), code=3)
        assert "the bucket keeps versions" in broken(trials)
        assert everything(client, bucket, "") == []
    finally:
        client.remove_bucket(bucket)


@pytest.mark.s3
def test_a_bucket_that_locks_by_default_so_that_nobody_can_bypass_is_found_out(s3_buckets, s3, monkeypatch):
    # Told and not done: what is locked like that could not be cleaned up.
    monkeypatch.setattr("callveil.adapters.s3_probe.S3Probe.lock", lambda _: (True, "COMPLIANCE"))
    trials = check(f"s3://{s3_buckets['lock']}/x", "--profile", str(s3), code=3)
    assert "no default lock that nobody can bypass" in broken(trials)


@pytest.mark.s3
def test_a_bucket_that_anybody_reads_is_found_out(s3_server, s3_buckets, s3):
    bucket, client = s3_buckets["plain"], s3_server.client()
    everybody = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"]}
    statement = {**everybody, "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    client.set_bucket_policy(bucket, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        assert "nobody reads without keys" in broken(
            check(f"s3://{bucket}/open", "--profile", str(s3), code=3)
        )
    finally:
        client.delete_bucket_policy(bucket)


@pytest.mark.s3
def test_wrong_keys_and_missing_buckets_are_a_wrong_configuration(s3_buckets, s3, monkeypatch):
    arguments = ["store", "check", "s3://callveil-test-no-such-bucket/x", "--profile", str(s3)]
    assert isinstance(CliRunner().invoke(app, arguments).exception, ConfigError)
    monkeypatch.setenv("CALLVEIL_S3_SECRET_KEY", "hunter2-hunter2")
    arguments[2] = f"s3://{s3_buckets['lock']}/x"
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, ConfigError)
    assert "hunter2" not in str(error)


def _bypass_always(plain):
    return lambda self, versions, **_: plain(self, versions, bypass_governance=True)


FAULTS = {
    "set_hold": (lambda _: lambda *_: None, "a legal hold stops even who may bypass, and is lifted"),
    "remove": (_bypass_always, "a locked version is not deleted"),
    "versions": (
        lambda plain: lambda *given: [v for v in plain(*given) if not v.is_marker],
        "every version is listed, and goes for good when it is named",
    ),
    "abort_uploads": (lambda _: lambda *_: None, "unfinished uploads are listed and thrown away"),
    "server_time": (
        lambda _: lambda _: datetime.now(UTC) - timedelta(minutes=5),
        "the server's clock agrees with ours",
    ),
    "remove_key": (lambda _: lambda *_: None, "deleting without naming a version only hides"),
    "tags": (lambda _: lambda *_: {}, "tags stay when lock and hold change"),
    "set_retention": (
        lambda _: lambda *_, **__: None,
        "a date is moved later, and sooner with the right to bypass",
    ),
}  # fmt: skip


@pytest.mark.s3
@pytest.mark.parametrize("method", list(FAULTS))
def test_a_server_with_a_fault_is_found_out(s3_server, s3_buckets, s3, monkeypatch, method):
    from callveil.adapters.s3_probe import S3Probe

    fault, name = FAULTS[method]
    base = f"t-{uuid.uuid4().hex}"
    with monkeypatch.context() as patch:
        patch.setattr(S3Probe, method, fault(getattr(S3Probe, method)))
        arguments = ["store", "check", f"s3://{s3_buckets['lock']}/{base}", "--profile", str(s3), "--json"]
        told = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert name in {trial["name"] for trial in told["trials"] if not trial["works"]}
    client, bucket = s3_server.client(), s3_buckets["lock"]
    for upload in client._list_multipart_uploads(bucket, prefix=base).uploads:
        client._abort_multipart_upload(bucket, upload.object_name, upload.upload_id)


@pytest.mark.s3
@pytest.mark.parametrize("kind", ["lock", "plain"])
def test_a_server_takes_the_rules_of_the_net(s3_server, s3_buckets, s3, kind):
    from callveil.adapters.s3_probe import S3Probe

    bucket = s3_buckets[kind]
    probe = S3Probe(
        endpoint=s3_server.endpoint, name=bucket, access_key=s3_server.access_key,
        secret_key=s3_server.secret_key, secure=s3_server.secure, region=s3_server.region,
        timeout_s=10, attempts=1,
    )  # fmt: skip
    xml = CliRunner().invoke(app, ["store", "lifecycle", f"s3://{bucket}/mine", "--xml"]).stdout
    told = CliRunner().invoke(app, ["store", "lifecycle", f"s3://{bucket}/mine", "--json"]).stdout
    try:
        probe.set_lifecycle(xml.encode())
        kept = {rule.findtext("{*}ID"): rule for rule in fromstring(probe.lifecycle()).iterfind("{*}Rule")}
        for rule in json.loads(told)["Rules"]:
            found = kept.pop(rule["ID"])
            wanted = rule["Filter"].get("And", {}).get("Tags", [])
            tags = [
                {"Key": tag.findtext("{*}Key"), "Value": tag.findtext("{*}Value")}
                for tag in found.iterfind(".//{*}Tag")
            ]
            assert sorted(tags, key=str) == sorted(wanted, key=str)
            assert [each.text for each in found.iterfind(".//{*}Prefix")] == ["mine/calls/"]
            for path, value in (
                ("{*}Expiration/{*}Days", rule.get("Expiration", {}).get("Days")),
                (".//{*}NoncurrentDays", rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")),
                (
                    ".//{*}DaysAfterInitiation",
                    rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
                ),
            ):
                assert found.findtext(path) == (None if value is None else str(value))
        assert kept == {}
        trials = check(f"s3://{bucket}/mine", "--profile", str(s3), "--lifecycle")
        assert trials["lifecycle rules by tag are accepted"]["works"]
        assert broken(trials) <= {
            "Object Lock",
            "an upload in parts keeps tags and date",
        }, "our own rules are no others'"
    finally:
        probe.set_lifecycle(None)
