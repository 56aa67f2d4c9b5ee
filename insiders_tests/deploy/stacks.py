"""A stack of the production template read back through the services' own APIs.

Belongs here: what tests of several parts of a stack look at. Does not belong here: how a stack is made
(:mod:`insiders_tests.deploy.cloud`).
"""

from __future__ import annotations

from typing import Any

from insiders_tests.deploy.cloud import ACCOUNT, REGION, TEMPLATE, Stack, api

CIDR = "203.0.113.0/24"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/insiders@sha256:{'a' * 64}"
README = TEMPLATE.parents[1] / "README.md"


def bucket_of(stack: Stack) -> str:
    return f"arn:aws:s3:::{stack['Bucket']}"


def database_of(stack: Stack) -> dict[str, Any]:
    return api("rds").describe_db_instances(DBInstanceIdentifier=stack["Database"])["DBInstances"][0]


def box_of(stack: Stack) -> dict[str, Any]:
    return api("ec2").describe_instances(InstanceIds=[stack["Box"]])["Reservations"][0]["Instances"][0]


def group(stack: Stack, name: str) -> dict[str, Any]:
    return api("ec2").describe_security_groups(GroupIds=[stack[name]])["SecurityGroups"][0]


def alarms_of(stack: Stack) -> dict[str, dict[str, Any]]:
    """Alarms by what follows the stack's name in theirs."""
    alarms = api("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack.name}-")["MetricAlarms"]
    return {alarm["AlarmName"].removeprefix(f"{stack.name}-"): alarm for alarm in alarms}


def logs_of(stack: Stack, name: str) -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:log-stream:i-1"
