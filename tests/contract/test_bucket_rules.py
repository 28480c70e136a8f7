"""Bucket policy and lifecycle rules do on a real server what is said of them."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callveil.errors import RefusedError
from callveil.retention.lifecycle import lifecycle_rules, rules_xml
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import KeptPart, Period, Policy

pytestmark = pytest.mark.s3
pytest.importorskip("minio", reason="the extra s3 is not installed")

from callveil.adapters.s3_probe import S3Probe  # noqa: E402  needs minio
from callveil.adapters.store_s3 import S3Store  # noqa: E402  needs minio

POLICY = Path(__file__).parents[2] / "deploy" / "bucket-policy.json"
TAGS = {
    "callveil-call": "c-1",
    "callveil-hold": "no",
    "callveil-restricted": "no",
    "callveil-retention": "standard",
}
CALL = "calls/2026/11/23/c-1/"


@pytest.fixture
def own_bucket(s3_server):
    """A bucket with Object Lock on a server of our own."""
    if s3_server.folder is None:
        pytest.skip("makes users, or rules whose days are seconds: only on a server of our own")
    bucket = f"callveil-test-{uuid.uuid4().hex[:12]}"
    s3_server.client().make_bucket(bucket, object_lock=True)
    return bucket


def store_of(server, bucket, access_key=None, secret_key=None):
    return S3Store(
        endpoint=server.endpoint,
        bucket=bucket,
        prefix="p",
        access_key=access_key or server.access_key,
        secret_key=secret_key or server.secret_key,
        secure=server.secure,
        attempts=1,
    )


@pytest.fixture
def roles(s3_server, own_bucket):
    """Worker, office and reader of the bucket policy."""
    stores = {}
    for name in ("worker", "office", "reader"):
        key, secret = f"{name}-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
        command = ["radosgw-admin", "-c", f"{s3_server.folder}/ceph.conf"]
        user = f"--uid=callveil-{name}"
        made = subprocess.run([*command, "user", "info", user], capture_output=True).returncode == 0
        verb = ["key", "create"] if made else ["user", "create", f"--display-name={name}"]
        keys = [f"--access-key={key}", f"--secret={secret}"]
        subprocess.run([*command, *verb, user, *keys], check=True, capture_output=True)
        stores[name] = store_of(s3_server, own_bucket, key, secret)
    text = POLICY.read_text().replace("ACCOUNT", "").replace("BUCKET", own_bucket).replace("PREFIX", "p")
    policy = json.loads(text)
    if not s3_server.secure:
        policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "NobodyInClear"]
    s3_server.client().set_bucket_policy(own_bucket, json.dumps(policy))
    return stores


def test_each_role_may_do_what_it_must_and_no_more(roles, make_parts):
    worker, office, reader = roles["worker"], roles["office"], roles["reader"]
    until = datetime.now(UTC) + timedelta(days=1)
    audio = bytes(20 << 20)
    worker.publish(CALL, make_parts(audio=audio), tags=TAGS, retain_until=until)
    worker.publish(CALL, make_parts(audio=audio), tags=TAGS, retain_until=until, replace=True)
    for content in (b"{}", b"[]"):
        worker.put_decision("decisions/x.json", content)
    for ask in (
        lambda: worker.set_legal_hold(CALL, True),
        lambda: reader.put_decision("decisions/y.json", b"{}"),
        lambda: reader.set_tags(CALL, {"callveil-restricted": "yes"}),
        lambda: reader.delete_call(CALL, bypass_governance=True),
    ):
        with pytest.raises(RefusedError):
            ask()
    assert list(reader.list_calls()) == [CALL]
    assert reader.get(CALL + Part.TRANSCRIPT) == b"transcript.json one"
    office.set_legal_hold(CALL, True)
    with pytest.raises(RefusedError):
        worker.set_legal_hold(CALL, False)
    with pytest.raises(RefusedError):
        worker.delete_call(CALL, bypass_governance=True)
    office.set_legal_hold(CALL, False)
    office.set_tags(CALL, {"callveil-restricted": "yes"})
    with pytest.raises(RefusedError):
        reader.get(CALL + Part.TRANSCRIPT)
    assert office.get(CALL + Part.TRANSCRIPT) == b"transcript.json one"
    assert office.delete_parts(CALL, [Part.AUDIO], bypass_governance=True) == 1
    assert office.delete_call(CALL, bypass_governance=True) == 4
    assert office.delete_decision("decisions/x.json") is True
    assert office.count_versions(CALL) == office.count_versions("decisions/x.json") == 0


def test_a_worker_that_may_not_bypass_deletes_only_what_is_over(s3_server, own_bucket, roles, make_parts):
    client = s3_server.client()
    policy = json.loads(client.get_bucket_policy(own_bucket))
    policy["Statement"].append(
        {
            "Effect": "Deny",
            "Principal": {"AWS": ["arn:aws:iam:::user/callveil-worker"]},
            "Action": ["s3:BypassGovernanceRetention"],
            "Resource": [f"arn:aws:s3:::{own_bucket}", f"arn:aws:s3:::{own_bucket}/*"],
        }
    )
    client.set_bucket_policy(own_bucket, json.dumps(policy))
    worker, until = roles["worker"], datetime.now(UTC) + timedelta(seconds=3)
    worker.publish(CALL, make_parts(), tags=TAGS, retain_until=until)
    with pytest.raises(RefusedError):
        worker.delete_call(CALL, bypass_governance=True)
    assert len(list(worker.list_objects(CALL))) == 5
    while datetime.now(UTC) < until + timedelta(seconds=2):
        time.sleep(0.2)
    assert worker.delete_call(CALL) == 5


@pytest.mark.slow
def test_the_net_deletes_what_is_free_and_over_and_nothing_else(s3_server, own_bucket, make_parts):
    store = store_of(s3_server, own_bucket)
    calls = {name: f"calls/2026/11/23/{name}/" for name in ("free", "held", "restricted", "event", "locked")}
    for name, call in calls.items():
        until = datetime.now(UTC) + timedelta(hours=1) if name == "locked" else None
        tags = {**TAGS, "callveil-retention": "complaints"} if name == "event" else TAGS
        store.publish(call, make_parts(), tags=tags, retain_until=until)
    store.set_legal_hold(calls["held"], True)
    store.set_tags(calls["restricted"], {"callveil-restricted": "yes"})
    day = {KeptPart.AUDIO: Period(days=1)}
    policies = [Policy(name="standard", keep=day), Policy(name="complaints", keep=day, since="case_closed")]
    # 31 days of the test server would take long; what the numbers are is tested elsewhere.
    rules = [
        replace(rule, expire_days=rule.expire_days and 1, noncurrent_days=rule.noncurrent_days and 1)
        for rule in lifecycle_rules(policies, prefix="p/")
    ]
    probe = S3Probe(
        endpoint=s3_server.endpoint, name=own_bucket, access_key=s3_server.access_key,
        secret_key=s3_server.secret_key, secure=s3_server.secure, region=s3_server.region,
        timeout_s=10, attempts=1,
    )  # fmt: skip
    probe.set_lifecycle(rules_xml(rules))
    end = time.monotonic() + 180
    while store.count_versions(calls["free"]) and time.monotonic() < end:
        time.sleep(1)
    probe.set_lifecycle(None)
    left = {name: store.count_versions(call) for name, call in calls.items()}
    # What is locked is hidden, behind five delete markers, and still there.
    assert left == {"free": 0, "held": 5, "restricted": 5, "event": 5, "locked": 10}
    assert list(store.list_calls()) == sorted(calls[name] for name in ("held", "restricted", "event"))
