"""What Amazon's services are asked for: against a server that speaks their protocol, and one that is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from insiders_assets.errors import InsidersError, SettingsError, UnreachableError
from insiders_assets.storage.aws import publish_notice, put_metrics, read_secret, token_for
from insiders_tests.servers import S3, Subscriber, free_port

TOPIC = "arn:aws:sns:us-east-1:123456789012:nobody"


@pytest.fixture
def services(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    return


def test_a_notice_reaches_the_subscribers_with_a_subject_that_the_service_takes(services: None) -> None:
    subscriber = Subscriber.to_new_topic()
    publish_notice(subscriber.topic, "  Insiders:\n2 runs – failed " + "x" * 200, "März: 3 £")
    ((subject, text),) = subscriber.heard()
    assert text == "März: 3 £"
    assert subject.startswith("Insiders: 2 runs ? failed xxx")
    assert len(subject) == 100


def test_numbers_stand_in_their_namespace(services: None) -> None:
    put_metrics("Shop", {"Heartbeat": 1, "FailedRuns": 3})
    listed = boto3.client("cloudwatch").list_metrics(Namespace="Shop")["Metrics"]
    assert {one["MetricName"] for one in listed} == {"Heartbeat", "FailedRuns"}


def test_a_secret_is_read_and_must_be_a_json_object(services: None) -> None:
    secrets = boto3.client("secretsmanager")
    name = secrets.create_secret(Name="login", SecretString='{"username": "dagster"}')["ARN"]
    assert read_secret(name) == {"username": "dagster"}
    secrets.put_secret_value(SecretId="login", SecretString="hunter2")
    with pytest.raises(SettingsError, match="no JSON object") as refused:
        read_secret(name)
    assert "hunter2" not in str(refused.value)


def test_a_login_is_a_signature_for_that_server_and_user_and_good_for_minutes(s3: S3) -> None:
    asked = urlsplit("https://" + token_for("db.example", 5433, "insiders")())
    words = parse_qs(asked.query)
    assert asked.netloc == "db.example:5433"
    assert words["Action"] == ["connect"]
    assert words["DBUser"] == ["insiders"]
    assert words["X-Amz-Expires"] == ["900"]
    assert words["X-Amz-Signature"][0]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: publish_notice(TOPIC, "Subject", "Text"),
        lambda: read_secret("there is none"),
    ],
)
def test_what_is_not_there_is_a_sentence(services: None, ask: Callable[[], object]) -> None:
    with pytest.raises(UnreachableError, match=r"was refused: .*role"):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: publish_notice(TOPIC, "Subject", "Text"),
        lambda: put_metrics("Shop", {"Heartbeat": 1}),
        lambda: read_secret("login"),
    ],
)
def test_a_service_that_does_not_answer_is_a_sentence(
    s3: S3, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], object]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError, match="cannot be had"):
        ask()


@pytest.mark.parametrize(
    "ask", [lambda: token_for("db.example", 5432, "insiders")(), lambda: put_metrics("Shop", {"Heartbeat": 1})]
)
def test_without_a_region_the_sentence_names_the_variable(
    s3: S3, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], object]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(SettingsError, match="AWS_DEFAULT_REGION"):
        ask()


def test_without_credentials_a_login_is_a_sentence(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(InsidersError, match="credentials"):
        token_for("db.example", 5432, "insiders")()
