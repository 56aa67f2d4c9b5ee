"""What Amazon's services are asked for beside objects: a login for the database, a secret, a notice, a number.

Belongs here: one function for each request, and what its failures mean to the person who can act. Does not belong here:
objects (:mod:`.objects`), and what a notice says.

Credentials and region are found as Amazon's tools find them (role of the machine, environment, profile).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from insiders_assets.errors import SettingsError, UnreachableError

# A service that does not answer costs a sensor's tick no more than this: twice, with a pause that boto3 chooses.
SECONDS_TO_ANSWER, TRIES = 5, 2
LONGEST_SUBJECT, LONGEST_NOTICE = 100, 30_000
REGION = "Set AWS_DEFAULT_REGION."


def token_for(host: str, port: int, user: str) -> Callable[[], str]:
    """A function that gives a password for a database user who logs in by IAM, good for a quarter of an hour.

    Raises, when it is called
    -------------------------
    UnreachableError: there are no credentials. SettingsError: there is no region.
    """

    def token() -> str:
        with _speaking("A login for the warehouse"):
            # Made here and sent nowhere: it is a signature.
            return str(_client("rds").generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user))

    return token


def read_secret(name: str) -> dict[str, Any]:
    """A secret of Secrets Manager that is a JSON object.

    Raises
    ------
    UnreachableError: it cannot be read, and why. SettingsError: it is no JSON object.
    """
    with _speaking(f"The secret {name}"):
        text = _client("secretsmanager").get_secret_value(SecretId=name).get("SecretString", "")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SettingsError(f"The secret {name} is no JSON object.", "Write it as the runbook shows.")
    return found


def publish_notice(topic: str, subject: str, text: str) -> None:
    """Send a notice to the subscribers of a topic.

    Raises
    ------
    UnreachableError: the service did not take it.
    """
    # What SNS takes as a subject: a line of ASCII that does not begin with a space.
    line = " ".join(subject.encode("ascii", "replace").decode().split())[:LONGEST_SUBJECT]
    with _speaking(f"The topic {topic}"):
        _client("sns").publish(TopicArn=topic, Subject=line, Message=text[:LONGEST_NOTICE])


def put_metrics(namespace: str, values: Mapping[str, float]) -> None:
    """Put numbers into a namespace of CloudWatch, as of now.

    Raises
    ------
    UnreachableError: the service did not take them.
    """
    data = [{"MetricName": name, "Value": float(value), "Unit": "Count"} for name, value in values.items()]
    with _speaking(f"The metrics in {namespace}"):
        _client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    limits = {"connect_timeout": SECONDS_TO_ANSWER, "read_timeout": SECONDS_TO_ANSWER}
    # A session of its own: the shared one is not to be used by the threads of a code server at once.
    return boto3.Session().client(service, config=Config(**limits, retries={"total_max_attempts": TRIES}))


@contextmanager
def _speaking(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

    try:
        yield
    except NoRegionError:
        raise SettingsError(f"{what} cannot be asked for: no region is set.", REGION) from None
    except ClientError as refused:
        words = refused.response.get("Error", {})
        raise UnreachableError(
            f"{what} was refused: {words.get('Message') or words.get('Code') or refused}.",
            "See the rights of the role and the name.",
        ) from None
    except BotoCoreError as trouble:
        raise UnreachableError(f"{what} cannot be had: {trouble}.", "See credentials and network.") from None
