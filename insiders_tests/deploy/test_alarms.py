"""Which alarms the production template sets, whom they reach, and that the runbook tells what to do."""

from __future__ import annotations

import json

from insiders_tests.deploy.cloud import ACCOUNT, REGION, Stack, api
from insiders_tests.deploy.iam import Context, Policies
from insiders_tests.deploy.stacks import README, alarms_of, database_of


def test_alarms_and_nobody_else_may_publish_by_the_topics_own_policy(closed: Stack) -> None:
    topic = closed["Topic"]
    found = api("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    policies, service = Policies(json.loads(found)), "cloudwatch.amazonaws.com"

    def of_alarm(account: str) -> Context:
        arn = f"arn:aws:cloudwatch:{REGION}:{account}:alarm:any"
        return {"aws:SourceAccount": account, "aws:SourceArn": arn, "aws:SecureTransport": "true"}

    assert policies.allow("sns:Publish", topic, of_alarm(ACCOUNT), service)
    assert not policies.allow("sns:Publish", topic, of_alarm("210987654321"), service)
    assert not policies.allow("sns:Publish", topic, of_alarm(ACCOUNT), "events.amazonaws.com")
    assert policies.deny("sns:Publish", topic, {"aws:SecureTransport": "false"}, "anybody")


def test_alarms_may_use_the_topics_key_or_they_would_be_lost(closed: Stack) -> None:
    policies = Policies(json.loads(api("kms").get_key_policy(KeyId=closed["TopicKey"], PolicyName="default")["Policy"]))
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert policies.allow(action, principal="cloudwatch.amazonaws.com")
    assert not policies.allow("kms:ScheduleKeyDeletion", principal="cloudwatch.amazonaws.com")
    # The account's own policies count, so the role's statement does.
    assert policies.allow("kms:Decrypt", principal=f"arn:aws:iam::{ACCOUNT}:root")


def test_a_person_is_subscribed(closed: Stack) -> None:
    found = api("sns").list_subscriptions_by_topic(TopicArn=closed["Topic"])["Subscriptions"]
    assert [(one["Protocol"], one["Endpoint"]) for one in found] == [("email", "night@shop.example")]


# What no data means; for each alarm, so that one that is added is thought about.
WITHOUT_DATA = {
    "heartbeat": "breaching",
    "failed-runs": "notBreaching",
    "month-missing": "ignore",
    "failed-units": "ignore",
    "root-disk": "missing",
    "data-disk": "breaching",
    "memory": "breaching",
    "system-check": "missing",
    "instance-check": "missing",
    "database-storage": "missing",
    "database-connections": "missing",
    "database-cpu": "missing",
    "database-credits": "missing",
}


def test_every_alarm_reaches_people_and_says_what_it_means_and_where_to_read(closed: Stack) -> None:
    alarms = alarms_of(closed)
    assert {name: alarm["TreatMissingData"] for name, alarm in alarms.items()} == WITHOUT_DATA
    for name, alarm in alarms.items():
        assert alarm["ActionsEnabled"]
        assert closed["Topic"] in alarm["AlarmActions"]
        assert alarm["AlarmDescription"].endswith(f" Read deploy/README.md, Alarms, {name}.")
        assert len(alarm["AlarmDescription"].split()) > 12


def test_the_runbook_has_a_section_for_every_alarm() -> None:
    section = README.read_text().partition("\n## Alarms")[2].partition("\n## ")[0]
    assert not [name for name in WITHOUT_DATA if name not in section]


def test_silence_is_an_alarm_within_a_quarter_of_an_hour_and_a_failed_run_at_once(closed: Stack) -> None:
    heartbeat, failed = alarms_of(closed)["heartbeat"], alarms_of(closed)["failed-runs"]
    assert heartbeat["Period"] * heartbeat["EvaluationPeriods"] == 900
    assert (heartbeat["ComparisonOperator"], heartbeat["Threshold"]) == ("LessThanThreshold", 1)
    assert failed["Period"] * failed["EvaluationPeriods"] == 300
    assert (failed["Statistic"], failed["ComparisonOperator"], failed["Threshold"]) == (
        "Sum",
        "GreaterThanThreshold",
        0,
    )


def test_a_broken_host_is_left_by_itself(closed: Stack) -> None:
    assert f"arn:aws:automate:{REGION}:ec2:recover" in alarms_of(closed)["system-check"]["AlarmActions"]


def test_the_connections_alarm_comes_before_the_database_refuses(closed: Stack) -> None:
    (name,) = [one["DBParameterGroupName"] for one in database_of(closed)["DBParameterGroups"]]
    found = api("rds").describe_db_parameters(DBParameterGroupName=name)["Parameters"]
    (most,) = [int(one["ParameterValue"]) for one in found if one["ParameterName"] == "max_connections"]
    assert alarms_of(closed)["database-connections"]["Threshold"] == 0.8 * most


def test_the_storage_alarm_comes_after_the_database_has_tried_to_grow(closed: Stack) -> None:
    # RDS grows it when a tenth is free; an alarm before that would go off where nothing is to be done.
    assert alarms_of(closed)["database-storage"]["Threshold"] < 0.1 * database_of(closed)["AllocatedStorage"] * 1024**3


def test_credits_are_watched_where_the_database_lives_on_them(closed: Stack, opened: Stack) -> None:
    assert "database-credits" in alarms_of(closed)
    assert "database-credits" not in alarms_of(opened)
