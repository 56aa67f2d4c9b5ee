"""The production template, created in moto's cloud and read back through the services' own APIs: what is open, what is
encrypted, what the box may do and what it may not, what wakes people, and what the box runs at its first start."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from insiders_assets.automation.notices import FAILED_RUNS, HEARTBEAT, MONTH_MISSING
from insiders_assets.operations.services import check_variables, write_secrets
from insiders_assets.settings import load_settings
from insiders_assets.storage.objects import BucketStore
from insiders_tests.deploy.cloud import ACCOUNT, REGION, TEMPLATE, Stack, api, cloud, create_stack, template
from insiders_tests.deploy.iam import Context, Policies
from insiders_tests.servers import S3

CIDR = "203.0.113.0/24"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/insiders@sha256:{'a' * 64}"
README = TEMPLATE.parents[1] / "README.md"
# What is longer is refused by AWS.
LONGEST_TEMPLATE, LONGEST_USER_DATA = 51_200, 16 * 1024


@pytest.fixture(scope="module")
def closed(s3: S3) -> Iterator[Stack]:
    """A stack with the defaults: a virtual environment, nothing open. Made after the S3 server of one test, since both
    change the environment and put it back."""
    with cloud():
        yield create_stack("insiders")


@pytest.fixture(scope="module")
def opened(closed: Stack) -> Stack:
    """A second one in the same account: an image, what the compose file needs, and addresses that may come in."""
    return create_stack(
        "other-shop", AllowedCidr=CIDR, ContainerImage=IMAGE, MetadataHops="2", DatabaseClass="db.m7g.large"
    )


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


# -------------------------------------------------------------------------------------------------------- the template
def test_cfn_lint_has_nothing_to_say() -> None:
    found = lint(TEMPLATE.read_text(), config=ManualArgs(regions=["eu-central-1", "us-east-1"]))
    assert not found, "\n".join(f"{one.linenumber}: {one.rule.id} {one.message}" for one in found)


def test_the_template_can_be_given_to_cloudformation_without_a_bucket() -> None:
    assert len(TEMPLATE.read_bytes()) <= LONGEST_TEMPLATE


@pytest.mark.parametrize(
    ("parameter", "accepted", "refused"),
    [
        ("AllowedCidr", ["", "203.0.113.0/24", "10.0.0.1/32"], ["0.0.0.0/0", "203.0.113.4"]),
        ("ContainerImage", ["", IMAGE], [IMAGE.replace("@sha256:" + "a" * 64, ":latest"), "insiders", "x@sha256:1"]),
        ("InstanceType", ["r7i.large", "m7i-flex.xlarge", "c6a.4xlarge"], ["t4g.large", "m7g.large", "t3.nano"]),
        ("FirstMonth", ["2024-01"], ["2024-13", "2024-1", "January"]),
        ("PageAddress", ["https://localhost:10443"], ["http://shop", "https://u:p@shop", "https://$(id)"]),
        ("DeploymentName", ["insiders", "shop-2"], ["Shop", "shop-", "a--b", "2shop"]),
        ("ImageId", ["", "ami-0123456789abcdef0"], ["al2023"]),
    ],
)
def test_a_parameter_that_would_do_harm_is_refused(parameter: str, accepted: list[str], refused: list[str]) -> None:
    pattern = template()["Parameters"][parameter]["AllowedPattern"]
    assert all(re.search(pattern, one) for one in accepted)
    assert not [one for one in refused if re.search(pattern, one)]


def test_what_holds_data_outlives_the_stack_and_is_not_replaced_by_an_update() -> None:
    resources = template()["Resources"]
    for name, policy in (("Bucket", "Retain"), ("Database", "Snapshot"), ("DataVolume", "Snapshot")):
        assert (resources[name]["DeletionPolicy"], resources[name]["UpdateReplacePolicy"]) == (policy, policy), name
    stack_policy = json.loads((TEMPLATE.parent / "stack-policy.json").read_text())
    guard = Policies({"Version": "2012-10-17", **stack_policy})  # a stack policy has no version
    for name in ("Bucket", "Database", "DataVolume", "StorageLogin", "Box"):
        assert name in resources
        assert guard.deny("Update:Replace", f"LogicalResourceId/{name}")
        assert guard.deny("Update:Delete", f"LogicalResourceId/{name}")
        assert guard.allow("Update:Modify", f"LogicalResourceId/{name}")
    assert guard.allow("Update:Replace", "LogicalResourceId/HeartbeatAlarm")


def test_two_deployments_stand_in_one_account_without_touching(closed: Stack, opened: Stack) -> None:
    shared = set(closed.resources.values()) & set(opened.resources.values()) - {""}
    assert not shared
    assert closed.outputs["MetricsNamespace"] != opened.outputs["MetricsNamespace"]


def test_what_costs_money_is_tagged_with_the_deployment(closed: Stack) -> None:
    database = {tag["Key"]: tag["Value"] for tag in database_of(closed)["TagList"]}
    bucket = api("s3").get_bucket_tagging(Bucket=closed["Bucket"])["TagSet"]
    (volume,) = api("ec2").describe_volumes(VolumeIds=[closed["DataVolume"]])["Volumes"]
    assert database["Name"] == closed.name
    assert {"Key": "Name", "Value": closed.name} in bucket
    assert {"Key": "Name", "Value": closed.name} in box_of(closed)["Tags"]
    assert {"Key": "Name", "Value": f"{closed.name}-data"} in volume["Tags"]


# --------------------------------------------------------------------------------------------------------- who gets in
def test_by_default_nobody_can_call_the_box(closed: Stack) -> None:
    assert group(closed, "BoxGroup")["IpPermissions"] == []
    assert [one["GroupId"] for one in box_of(closed)["SecurityGroups"]] == [closed["BoxGroup"]]
    assert "KeyName" not in box_of(closed)
    assert "BoxAddress" not in closed.outputs


def test_an_open_box_answers_the_given_range_on_two_ports(opened: Stack) -> None:
    rules = group(opened, "BoxGroup")["IpPermissions"]
    assert {(one["IpProtocol"], one["FromPort"], one["ToPort"]) for one in rules} == {
        ("tcp", 443, 443),
        ("tcp", 8443, 8443),
    }
    assert {span["CidrIp"] for one in rules for span in one["IpRanges"]} == {CIDR}
    assert not any(one["UserIdGroupPairs"] or one["Ipv6Ranges"] for one in rules)
    # An address that stays, for its name in DNS.
    (address,) = api("ec2").describe_addresses(PublicIps=[opened.outputs["BoxAddress"]])["Addresses"]
    assert address["InstanceId"] == opened["Box"]


def test_the_box_calls_nobody_but_https_servers_and_the_database(closed: Stack) -> None:
    rules = {(one["FromPort"], one["ToPort"]): one for one in group(closed, "BoxGroup")["IpPermissionsEgress"]}
    assert set(rules) == {(443, 443), (5432, 5432)}
    assert not rules[5432, 5432]["IpRanges"]
    assert [one["GroupId"] for one in rules[5432, 5432]["UserIdGroupPairs"]] == [closed["DatabaseGroup"]]


def test_the_database_is_reached_by_the_box_alone_and_reaches_nobody(closed: Stack) -> None:
    database = database_of(closed)
    assert database["PubliclyAccessible"] is False
    assert [one["VpcSecurityGroupId"] for one in database["VpcSecurityGroups"]] == [closed["DatabaseGroup"]]
    (rule,) = group(closed, "DatabaseGroup")["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"], rule["IpRanges"]) == (5432, 5432, [])
    assert [one["GroupId"] for one in rule["UserIdGroupPairs"]] == [closed["BoxGroup"]]
    outgoing = group(closed, "DatabaseGroup")["IpPermissionsEgress"]
    assert [span["CidrIp"] for one in outgoing for span in one["IpRanges"]] == ["127.0.0.1/32"]


def test_no_route_leads_from_the_database_to_the_internet(closed: Stack) -> None:
    ec2 = api("ec2")
    subnets = [one["SubnetIdentifier"] for one in database_of(closed)["DBSubnetGroup"]["Subnets"]]
    assert sorted(subnets) == sorted([closed["PrivateSubnetA"], closed["PrivateSubnetB"]])
    found = ec2.describe_subnets(SubnetIds=subnets)["Subnets"]
    assert len({one["AvailabilityZone"] for one in found}) == 2
    assert not any(one["MapPublicIpOnLaunch"] for one in found)
    for subnet in subnets:
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        (table,) = ec2.describe_route_tables(Filters=filters)["RouteTables"]
        assert [route["GatewayId"] for route in table["Routes"]] == ["local"]


def test_the_bucket_is_reached_without_the_internet_and_nothing_pays_for_a_gateway(closed: Stack) -> None:
    ec2 = api("ec2")
    (endpoint,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[closed["BucketRoute"]])["VpcEndpoints"]
    assert endpoint["ServiceName"] == f"com.amazonaws.{REGION}.s3"
    assert endpoint["RouteTableIds"] == [closed["PublicRoutes"]]
    assert not ec2.describe_nat_gateways()["NatGateways"]


def test_the_metadata_service_wants_a_token_and_answers_over_a_hop_only_where_it_was_asked_for(
    closed: Stack, opened: Stack
) -> None:
    for stack, hops in ((closed, 1), (opened, 2)):
        options = box_of(stack)["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", hops)


def test_nobody_reads_the_bucket_without_being_let_in(closed: Stack) -> None:
    s3, bucket = api("s3"), closed["Bucket"]
    blocks = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(blocks) == 4
    assert all(blocks.values())
    owner = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_the_bucket_refuses_whom_tls_does_not_protect_and_opens_to_nobody(closed: Stack) -> None:
    document = json.loads(api("s3").get_bucket_policy(Bucket=closed["Bucket"])["Policy"])
    policies, key = Policies(document), f"{bucket_of(closed)}/lake/a"
    good = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
    for where in (key, bucket_of(closed)):
        for bad in ({"aws:SecureTransport": "false"}, {"s3:TlsVersion": "1.1"}):
            assert policies.deny("s3:GetObject", where, {**good, **bad}, "anybody")
        assert not policies.deny("s3:GetObject", where, good, "anybody")
        assert not policies.allow("s3:GetObject", where, good, "anybody")


# ----------------------------------------------------------------------------------------------- what is kept, and how
def test_every_place_where_data_rests_is_encrypted(closed: Stack) -> None:
    ec2, s3, sns = api("ec2"), api("s3"), api("sns")
    attached = [one["Ebs"]["VolumeId"] for one in box_of(closed)["BlockDeviceMappings"]]
    volumes = ec2.describe_volumes(VolumeIds=attached)["Volumes"]
    assert closed["DataVolume"] in attached
    assert len(volumes) == 2
    assert all(volume["Encrypted"] and volume["VolumeType"] == "gp3" for volume in volumes)
    assert database_of(closed)["StorageEncrypted"] is True
    rules = s3.get_bucket_encryption(Bucket=closed["Bucket"])["ServerSideEncryptionConfiguration"]["Rules"]
    assert [one["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for one in rules] == ["AES256"]
    assert sns.get_topic_attributes(TopicArn=closed["Topic"])["Attributes"]["KmsMasterKeyId"] == closed["TopicKey"]
    assert api("kms").get_key_rotation_status(KeyId=closed["TopicKey"])["KeyRotationEnabled"]


def test_the_database_is_backed_up_protected_and_speaks_tls_only(closed: Stack) -> None:
    rds, database = api("rds"), database_of(closed)
    assert database["Engine"] == "postgres"
    assert database["EngineVersion"].split(".")[0] == "17"
    assert database["AutoMinorVersionUpgrade"] is True
    assert database["BackupRetentionPeriod"] == 14
    assert database["DeletionProtection"] is True
    assert database["CopyTagsToSnapshot"] is True
    assert database["IAMDatabaseAuthenticationEnabled"] is True
    assert database["EnabledCloudwatchLogsExports"] == ["postgresql"]
    assert database["MaxAllocatedStorage"] > database["AllocatedStorage"]
    (name,) = [one["DBParameterGroupName"] for one in database["DBParameterGroups"]]
    found = rds.describe_db_parameters(DBParameterGroupName=name)["Parameters"]
    parameters = {one["ParameterName"]: one["ParameterValue"] for one in found}
    assert parameters["rds.force_ssl"] == "1"


def test_objects_that_were_overwritten_can_be_got_back_for_longer_than_the_database(closed: Stack) -> None:
    s3, bucket = api("s3"), closed["Bucket"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rules = {one["ID"]: one for one in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert all(one["Status"] == "Enabled" for one in rules.values())
    kept = rules["old-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert kept > database_of(closed)["BackupRetentionPeriod"]
    # What runs print goes; no rule takes away a file that landed, or a table.
    expiring = {name: one["Filter"]["Prefix"] for name, one in rules.items() if "Days" in one.get("Expiration", {})}
    assert expiring == {"run-logs": "logs/"}
    assert rules["run-logs"]["Expiration"]["Days"] == 90
    assert rules["unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_no_log_grows_for_ever(closed: Stack) -> None:
    groups = api("logs").describe_log_groups()["logGroups"]
    of_stack = set(closed.resources.values())
    ours = {one["logGroupName"]: one.get("retentionInDays") for one in groups if one["logGroupName"] in of_stack}
    assert len(ours) == 3
    assert set(ours.values()) == {90}
    # RDS writes into a group of this name, and would make one without an end.
    assert f"/aws/rds/instance/{closed['Database']}/postgresql" in ours


# ------------------------------------------------------------------------------------------------------------- secrets
def test_no_secret_stands_in_the_template_the_user_data_or_the_outputs(closed: Stack) -> None:
    secrets = api("secretsmanager")
    storage = json.loads(secrets.get_secret_value(SecretId=closed["StorageLogin"])["SecretString"])
    master = secrets.get_secret_value(SecretId=closed.outputs["MasterSecret"])["SecretString"]
    everything = TEMPLATE.read_text() + closed.user_data() + json.dumps(closed.outputs)
    for one in (storage["password"], master):
        assert len(one) >= 20
        assert one not in everything
    assert "MasterUserPassword" not in template()["Resources"]["Database"]["Properties"]
    assert not [name for name in template()["Parameters"] if re.search("password|secret|token", name, re.IGNORECASE)]


def test_the_storages_password_is_made_by_aws_and_safe_in_shells_and_addresses(closed: Stack) -> None:
    found = api("secretsmanager").get_secret_value(SecretId=closed["StorageLogin"])["SecretString"]
    login = json.loads(found)
    assert re.fullmatch("[A-Za-z0-9]{40}", login.pop("password"))
    assert login == {
        "username": "dagster",
        "host": database_of(closed)["Endpoint"]["Address"],
        "port": "5432",
        "dbname": "dagster",
    }


# ------------------------------------------------------------------------------------------------------ the box's role
ALLOWED_ACTIONS = {
    "s3:ListBucket",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "rds-db:connect",
    "secretsmanager:GetSecretValue",
    "sns:Publish",
    "kms:GenerateDataKey",
    "kms:Decrypt",
    "cloudwatch:PutMetricData",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "logs:DescribeLogStreams",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
PULLING = {
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
}


def test_the_box_may_do_these_things_and_with_an_image_pull_it(closed: Stack, opened: Stack) -> None:
    for stack, expected in ((closed, ALLOWED_ACTIONS), (opened, ALLOWED_ACTIONS | PULLING)):
        given = [one["Action"] for one in stack.role.statements]
        assert {name for one in given for name in ([one] if isinstance(one, str) else one)} == expected


def test_only_ec2_can_take_the_role(closed: Stack) -> None:
    role = api("iam").get_role(RoleName=closed["BoxRole"])["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}
    profile = api("iam").get_instance_profile(InstanceProfileName=closed["BoxProfile"])["InstanceProfile"]
    assert [one["RoleName"] for one in profile["Roles"]] == [closed["BoxRole"]]
    assert box_of(closed)["IamInstanceProfile"]["Arn"] == profile["Arn"]


def login(stack: Stack, user: str, database: str = "", region: str = REGION, account: str = ACCOUNT) -> str:
    database = database or database_of(stack)["DbiResourceId"]
    return f"arn:aws:rds-db:{region}:{account}:dbuser:{database}/{user}"


def key_of(stack: Stack) -> str:
    return api("kms").describe_key(KeyId=stack["TopicKey"])["KeyMetadata"]["Arn"]


def logs_of(stack: Stack, name: str) -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:log-stream:i-1"


VIA_SNS = {"kms:ViaService": f"sns.{REGION}.amazonaws.com"}
Where = Callable[[Stack], str]
Request = tuple[str, Where, Context]


def at(path: str) -> Where:
    return lambda stack: bucket_of(stack) + path


def anywhere(stack: Stack) -> str:
    return "*"


MAY: list[Request] = [
    ("s3:GetObject", at("/landing/2024/a.csv"), {}),
    ("s3:GetObject", at("/lake/raw_invoices/2024-01/manifest.json"), {}),
    ("s3:PutObject", at("/lake/raw_invoices/a.parquet"), {}),
    ("s3:DeleteObject", at("/lake/raw_invoices/a.parquet"), {}),
    ("s3:PutObject", at("/logs/storage/run/out"), {}),
    ("s3:GetObject", at("/releases/1.0/insiders.whl"), {}),
    ("s3:ListBucket", at(""), {"s3:prefix": "landing/"}),
    ("rds-db:connect", lambda stack: login(stack, "insiders"), {}),
    ("secretsmanager:GetSecretValue", lambda stack: stack["StorageLogin"], {}),
    ("sns:Publish", lambda stack: stack["Topic"], {}),
    ("kms:GenerateDataKey", key_of, VIA_SNS),
    ("cloudwatch:PutMetricData", anywhere, {"cloudwatch:namespace": "Insiders/insiders"}),
    ("logs:PutLogEvents", lambda stack: logs_of(stack, stack["ServicesLog"]), {}),
    ("ssmmessages:OpenDataChannel", anywhere, {}),
]
MAY_NOT: list[Request] = [
    # Files that landed stay as they were put; the box's own software, too.
    ("s3:PutObject", at("/landing/2024/a.csv"), {}),
    ("s3:DeleteObject", at("/landing/2024/a.csv"), {}),
    ("s3:PutObject", at("/releases/1.0/insiders.whl"), {}),
    # Other prefixes, also such that only begin alike, and the bucket as a whole.
    ("s3:GetObject", at("/payroll/a.csv"), {}),
    ("s3:GetObject", at("/lakes/a"), {}),
    ("s3:PutObject", at("/a"), {}),
    ("s3:ListBucket", at(""), {"s3:prefix": "payroll/"}),
    ("s3:ListBucket", at(""), {"s3:prefix": "lakes/"}),
    ("s3:ListBucket", at(""), {"s3:prefix": ""}),
    ("s3:ListBucket", at(""), {}),
    ("s3:ListAllMyBuckets", anywhere, {}),
    # Another bucket, also one whose name begins alike.
    ("s3:GetObject", lambda stack: f"{bucket_of(stack)}-2/lake/a", {}),
    ("s3:GetObject", lambda stack: "arn:aws:s3:::payroll/lake/a", {}),
    ("s3:ListBucket", lambda stack: "arn:aws:s3:::payroll", {"s3:prefix": "lake/"}),
    # History, and what protects it.
    ("s3:DeleteObjectVersion", at("/lake/a"), {}),
    ("s3:PutBucketVersioning", at(""), {}),
    ("s3:PutLifecycleConfiguration", at(""), {}),
    ("s3:PutBucketPolicy", at(""), {}),
    ("s3:DeleteBucketPolicy", at(""), {}),
    ("s3:PutBucketPublicAccessBlock", at(""), {}),
    ("s3:PutObjectAcl", at("/lake/a"), {}),
    ("s3:DeleteBucket", at(""), {}),
    ("rds:DeleteDBInstance", lambda stack: database_of(stack)["DBInstanceArn"], {}),
    ("rds:ModifyDBInstance", lambda stack: database_of(stack)["DBInstanceArn"], {}),
    ("ec2:DeleteSnapshot", anywhere, {}),
    # The database as somebody else, or another database.
    ("rds-db:connect", lambda stack: login(stack, "postgres"), {}),
    ("rds-db:connect", lambda stack: login(stack, "dagster"), {}),
    ("rds-db:connect", lambda stack: login(stack, "insiders2"), {}),
    ("rds-db:connect", lambda stack: login(stack, "insiders", database="db-ANOTHER"), {}),
    ("rds-db:connect", lambda stack: login(stack, "insiders", account="210987654321"), {}),
    # Other secrets, and changing its own.
    ("secretsmanager:GetSecretValue", lambda stack: stack.outputs["MasterSecret"], {}),
    ("secretsmanager:GetSecretValue", lambda stack: f"{stack['StorageLogin']}x", {}),
    ("secretsmanager:PutSecretValue", lambda stack: stack["StorageLogin"], {}),
    ("secretsmanager:ListSecrets", anywhere, {}),
    ("ssm:GetParameter", lambda stack: f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/payroll", {}),
    # Other topics, subscribing, and the key for anything but notices.
    ("sns:Publish", lambda stack: f"{stack['Topic']}2", {}),
    ("sns:Publish", lambda stack: f"arn:aws:sns:{REGION}:{ACCOUNT}:payroll", {}),
    ("sns:Subscribe", lambda stack: stack["Topic"], {}),
    ("kms:Decrypt", key_of, {}),
    ("kms:Decrypt", lambda stack: f"arn:aws:kms:{REGION}:{ACCOUNT}:key/another", VIA_SNS),
    # Others' metrics and logs, and the alarms.
    ("cloudwatch:PutMetricData", anywhere, {"cloudwatch:namespace": "AWS/RDS"}),
    ("cloudwatch:PutMetricData", anywhere, {"cloudwatch:namespace": "Insiders/other-shop"}),
    ("cloudwatch:PutMetricData", anywhere, {}),
    ("cloudwatch:DeleteAlarms", anywhere, {}),
    ("cloudwatch:SetAlarmState", anywhere, {}),
    ("logs:PutLogEvents", lambda stack: logs_of(stack, "/payroll"), {}),
    ("logs:DeleteLogGroup", lambda stack: logs_of(stack, stack["ServicesLog"]), {}),
    # The account.
    ("iam:CreateUser", anywhere, {}),
    ("iam:PutRolePolicy", lambda stack: stack.outputs["BoxRoleArn"], {}),
    ("iam:PassRole", lambda stack: stack.outputs["BoxRoleArn"], {}),
    ("sts:AssumeRole", lambda stack: f"arn:aws:iam::{ACCOUNT}:role/admin", {}),
    ("ec2:RunInstances", anywhere, {}),
    ("ec2:AuthorizeSecurityGroupIngress", anywhere, {}),
    ("ec2:ModifyInstanceMetadataOptions", anywhere, {}),
    ("ssm:SendCommand", anywhere, {}),
    ("ssm:StartSession", anywhere, {}),
    ("cloudformation:UpdateStack", anywhere, {}),
    ("ecr:BatchGetImage", lambda stack: f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/insiders", {}),
]


def named(request: Any) -> str:
    return request if isinstance(request, str) else ""


@pytest.mark.parametrize(("action", "where", "context"), MAY, ids=named)
def test_the_box_may(closed: Stack, action: str, where: Where, context: Context) -> None:
    assert closed.role.allow(action, where(closed), context)


@pytest.mark.parametrize(("action", "where", "context"), MAY_NOT, ids=named)
def test_the_box_may_not(closed: Stack, action: str, where: Where, context: Context) -> None:
    assert not closed.role.allow(action, where(closed), context)


def test_the_box_may_not_touch_another_deployment(closed: Stack, opened: Stack) -> None:
    role = closed.role
    for action, where, context in MAY:
        # moto gives every database server the same id.
        if where(opened) != "*" and action != "rds-db:connect":
            assert not role.allow(action, where(opened), context), action


def test_an_image_is_pulled_from_its_own_repository_alone(opened: Stack) -> None:
    role = opened.role
    for account, name, may in (
        (ACCOUNT, "team/insiders", True),
        (ACCOUNT, "team/payroll", False),
        (ACCOUNT, "team/insiders2", False),
        ("210987654321", "team/insiders", False),
    ):
        repository = f"arn:aws:ecr:{REGION}:{account}:repository/{name}"
        assert role.allow("ecr:BatchGetImage", repository) == may
        assert not role.allow("ecr:PutImage", repository)


# What S3 looks at for each request; for an object that may not be there also whether its name may be listed, or it
# would answer 403 instead of 404.
def wants(operation: str, given: dict[str, Any], bucket: str) -> list[tuple[str, str, Context]]:
    if operation == "ListObjectsV2" or operation == "ListObjects":
        return [("s3:ListBucket", bucket, {"s3:prefix": given["Prefix"]})]
    if operation == "DeleteObjects":
        return [("s3:DeleteObject", f"{bucket}/{one['Key']}", {}) for one in given["Delete"]["Objects"]]
    found: list[tuple[str, str, Context]] = []
    if operation == "CopyObject":
        found.append(("s3:GetObject", f"{bucket}/{given['CopySource']['Key']}", {}))
    if operation in ("GetObject", "HeadObject"):
        found.append(("s3:ListBucket", bucket, {"s3:prefix": given["Key"]}))
    action = {"HeadObject": "GetObject", "CopyObject": "PutObject"}.get(operation, operation)
    return [*found, (f"s3:{action}", f"{bucket}/{given['Key']}", {})]


@dataclass
class Heard:
    """What clients asked S3 for, as if it had been the bucket of that name."""

    bucket: str
    requests: list[tuple[str, str, Context]]

    def listen(self, client: Any) -> None:
        client.meta.events.register(
            "provide-client-params.s3.*",
            lambda params, model, **_: self.requests.extend(wants(model.name, params, self.bucket)),
        )


def test_what_insiders_asks_of_the_bucket_is_allowed(closed: Stack, s3: S3, tmp_path: Path) -> None:
    # On a server, whose answers have a date, and in a bucket without a policy, of which moto knows no conditions.
    heard, bucket = Heard(bucket_of(closed), []), "heard"
    client = boto3.client("s3", endpoint_url=s3.endpoint)
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="landing/a.csv", Body=b"1")

    landing = BucketStore(f"s3://{bucket}/landing", s3.endpoint)
    heard.listen(landing.client)
    landing.check_writable()
    assert [one.path for one in landing.entries()] == ["a.csv"]
    assert landing.stat("a.csv")
    assert landing.stat("none.csv") is None
    assert landing.read("a.csv") == b"1"

    lake = BucketStore(f"s3://{bucket}/lake", s3.endpoint)
    heard.listen(lake.client)
    lake.check_writable()
    assert lake.read("table/manifest.json") is None
    lake.swap("table/manifest.json", lambda _: b"1")
    lake.swap("table/manifest.json", lambda _: b"2")
    lake.write("table/a.parquet", b"1")
    lake.write("table/a.parquet", b"1")
    assert lake.names("table") == ["table/a.parquet", "table/manifest.json"]
    lake.remove(["table/a.parquet"])

    logs = S3ComputeLogManager(bucket=bucket, local_dir=str(tmp_path), prefix="logs", endpoint_url=s3.endpoint)
    heard.listen(logs._s3_session)
    key = ["run", "compute_logs", "step"]
    with logs.open_log_stream(key, ComputeIOType.STDOUT) as stream:
        assert stream
        stream.write("printed")
    logs._s3_session.head_object(Bucket=bucket, Key=logs._s3_key(key, ComputeIOType.STDOUT))
    logs.delete_logs(prefix=["run"])

    role = closed.role
    assert {action for action, _, _ in heard.requests} == {
        "s3:ListBucket",
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
    }
    assert not [one for one in heard.requests if not role.allow(*one)]


# -------------------------------------------------------------------------------------------------- notices and alarms
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


# ----------------------------------------------------------------------------------------------------- the first start
@dataclass(frozen=True)
class FirstStart:
    """What the user data did on a pretended box: below `root` what it wrote, `calls` what it would have run."""

    root: Path
    calls: list[str]
    status: int

    def read(self, path: str) -> str:
        return (self.root / path).read_text().replace(str(self.root), "")

    def called(self, command: str) -> list[str]:
        return [one for one in self.calls if one.startswith(command)]


# Records how it was called, and answers what the test has put beside it.
PRETEND = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> "$CALLS"
case "$name $*" in
  blkid*--output*) echo 11111111-2222 ;;
  curl*) while [ "$1" != --output ]; do shift; done; echo certificate > "$2" ;;
esac
[ ! -e "$CALLS.$name" ] || exit "$(cat "$CALLS.$name")"
"""
# The real one, but for the owner: tests need not be root, and the user is not there.
INSTALL = """#!/bin/bash
given=()
while [ $# -gt 0 ]; do case $1 in -o|-g) shift 2 ;; *) given+=("$1"); shift ;; esac; done
exec %s "${given[@]}"
"""
COMMANDS = ["dnf", "systemctl", "groupadd", "useradd", "blkid", "mkfs.xfs", "mount", "chown", "curl", "aws", "sleep"]
FOLDERS = [
    *("etc/rsyslog.d", "etc/logrotate.d", "etc/systemd/system", "usr/local/sbin", "root", "var/log", "var/lib"),
    *("dev/disk/by-id", "opt/aws/bin", "opt/aws/amazon-cloudwatch-agent/bin", "opt/aws/amazon-cloudwatch-agent/etc"),
]


def start(stack: Stack, folder: Path, pretend: str = PRETEND, **answers: int) -> FirstStart:
    """Run the user data with pretended commands, and every path of the system below a folder. `answers` are the exit
    codes of commands."""
    root, calls = folder / "box", folder / "calls"
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    (folder / "bin").mkdir()
    places = [folder / "bin" / name for name in COMMANDS]
    places += [root / "opt/aws/bin/cfn-signal"]
    places += [root / "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"]
    (folder / "bin" / "install").write_text(INSTALL % shutil.which("install"))
    for place in places:
        place.write_text(pretend)
    for place in (*places, folder / "bin" / "install"):
        place.chmod(0o755)
    for name, status in answers.items():
        calls.with_name(f"calls.{name}").write_text(str(status))
    volume = f"nvme-Amazon_Elastic_Block_Store_{stack['DataVolume'].replace('-', '')}"
    (root / "dev/disk/by-id" / volume).touch()
    script = re.sub(r"(?<![\w/])/(etc|var|root|opt|usr/local/sbin|dev/disk)/", rf"{root}/\1/", stack.user_data())
    done = subprocess.run(
        ["bash"],
        input=script,
        text=True,
        capture_output=True,
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls)},
        timeout=60,
    )
    lines = calls.read_text().replace(str(root), "").splitlines()
    return FirstStart(root, lines, done.returncode)


@pytest.fixture(scope="module")
def started(closed: Stack) -> Iterator[FirstStart]:
    """A first start that went well."""
    with tempfile.TemporaryDirectory() as folder:
        yield start(closed, Path(folder))


def test_the_user_data_is_short_enough_and_shellcheck_has_nothing_to_say(closed: Stack, opened: Stack) -> None:
    for stack in (closed, opened):
        assert len(stack.user_data().encode()) < LONGEST_USER_DATA
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on this machine")
    script = re.search("<<'SCRIPT'\n(.*?)\nSCRIPT\n", closed.user_data(), re.DOTALL)
    assert script
    for text in (closed.user_data(), opened.user_data(), script[1]):
        # SC2194: the constant word is a parameter's value that stands in its place. SC2050 likewise.
        command = ["shellcheck", "--shell=bash", "--exclude=SC2194,SC2050", "-"]
        done = subprocess.run(command, input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout


def test_a_start_that_went_well_completes_the_stack(started: FirstStart) -> None:
    assert started.status == 0
    (signal,) = started.called("cfn-signal")
    assert "--exit-code 0 " in signal
    assert "--stack insiders --resource Prepared" in signal
    assert signal == started.calls[-1]


def test_a_step_that_fails_is_tried_again_and_then_fails_the_stack(closed: Stack, tmp_path: Path) -> None:
    failed = start(closed, tmp_path, dnf=1)
    assert failed.status == 1
    assert failed.called("dnf install") == ["dnf install -y aws-cfn-bootstrap"] * 4
    assert "--exit-code 1 " in failed.calls[-1]
    assert not failed.called("mount")


@pytest.mark.parametrize(("found", "formatted", "status"), [(2, True, 0), (0, False, 0), (8, False, 1)])
def test_only_a_blank_volume_is_formatted(
    closed: Stack, tmp_path: Path, found: int, formatted: bool, status: int
) -> None:
    # blkid is asked twice: whether there is something, and then for its name.
    pretend = PRETEND.replace("blkid*--output*)", f"blkid*--probe*) exit {found} ;;\n  blkid*--output*)")
    first = start(closed, tmp_path, pretend)
    assert bool(first.called("mkfs.xfs")) == formatted
    assert first.status == status
    assert bool(first.called("mount")) == (status == 0)


def test_the_data_volume_is_mounted_at_every_start_and_without_it_nobody_writes(started: FirstStart) -> None:
    assert started.read("etc/fstab") == "UUID=11111111-2222 /var/lib/insiders xfs defaults,nofail 0 2\n"
    assert "chown insiders:insiders /var/lib/insiders" in started.calls
    assert started.called("useradd") == [
        "useradd --uid 10001 --gid 10001 --home-dir /var/lib/insiders --no-create-home --shell /sbin/nologin insiders"
    ]


def test_with_an_image_the_box_has_docker_and_no_password_of_the_registry(opened: Stack, tmp_path: Path) -> None:
    first = start(opened, tmp_path)
    installed = " ".join(first.called("dnf install"))
    assert "docker amazon-ecr-credential-helper" in installed
    assert "python3.12" not in installed
    assert opened.outputs["Image"] == IMAGE
    registry = IMAGE.partition("/")[0]
    assert json.loads(first.read("root/.docker/config.json")) == {"credHelpers": {registry: "ecr-login"}}


def test_without_an_image_the_box_has_python_and_no_docker(started: FirstStart) -> None:
    installed = " ".join(started.called("dnf install"))
    assert "python3.12" in installed
    assert "docker" not in installed
    # What bin/install takes if it is not told another.
    assert "python=python3.12" in (TEMPLATE.parents[1] / "bin" / "install").read_text()


def variables(text: str) -> dict[str, str]:
    pairs = [line.split("=", 1) for line in text.splitlines()]
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_insiders_takes_the_settings_that_the_box_gets(
    closed: Stack, started: FirstStart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = started.root / "etc/insiders/insiders.env"
    given = variables(started.read("etc/insiders/insiders.env"))
    for name, value in {**given, "INSIDERS_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert place.stat().st_mode & 0o777 == 0o640

    write_secrets(load_settings(), tmp_path / "secrets.env", 0, print)
    (address,) = variables((tmp_path / "secrets.env").read_text()).values()
    monkeypatch.setenv("INSIDERS_INSTANCE", address)
    settings, told = load_settings(), list[str]()
    check_variables(settings, told.append)
    assert told == []

    host = database_of(closed)["Endpoint"]["Address"]
    proof = "sslmode=verify-full&sslrootcert=/etc/insiders/rds-ca.pem"
    assert settings.warehouse.get_secret_value() == f"postgresql://insiders@{host}:5432/insiders?{proof}"
    assert re.fullmatch(
        rf"postgresql\+psycopg2://dagster:\w{{40}}@{re.escape(host)}:5432/dagster\?{re.escape(proof)}", address
    )
    assert settings.warehouse_iam
    assert settings.landing_location == f"s3://{closed['Bucket']}/landing"
    assert settings.notify_topic == closed["Topic"]
    assert (started.root / "etc/insiders/rds-ca.pem").read_text() == "certificate\n"


def test_each_variable_that_the_box_gets_is_explained_in_the_example(started: FirstStart) -> None:
    explained = set(re.findall(r"^#?([A-Z_]+)=", (TEMPLATE.parents[1] / "insiders.env.example").read_text(), re.M))
    given = set(variables(started.read("etc/insiders/insiders.env")))
    assert not given - explained
    # boto3 reads the second name only, the aws command line and bin/rotate-login the first.
    assert {"AWS_REGION", "AWS_DEFAULT_REGION"} <= given


def test_every_metric_that_an_alarm_waits_for_is_sent_by_somebody(closed: Stack, started: FirstStart) -> None:
    agent = json.loads(started.read("opt/aws/amazon-cloudwatch-agent/etc/insiders.json"))
    namespace = variables(started.read("etc/insiders/insiders.env"))["INSIDERS_METRICS"]
    assert agent["metrics"]["namespace"] == namespace == closed.outputs["MetricsNamespace"]
    # No host, or the alarms would wait for a metric with other dimensions.
    assert agent["agent"]["omit_hostname"]
    collected = agent["metrics"]["metrics_collected"]
    assert collected["disk"]["drop_device"]
    script = started.read("usr/local/sbin/count-failed-units")
    assert f'--namespace "{namespace}"' in script
    sent: set[tuple[str, Any]] = {(name, ()) for name in (HEARTBEAT, FAILED_RUNS, MONTH_MISSING)}
    sent |= {(name, ()) for name in re.findall(r"--metric-name (\w+)", script)}
    sent |= {(name, ()) for name in collected["mem"]["measurement"]}
    for path in collected["disk"]["resources"]:
        sent |= {(name, (("fstype", "xfs"), ("path", path))) for name in collected["disk"]["measurement"]}
    wanted = {
        (one["MetricName"], tuple(sorted((pair["Name"], pair["Value"]) for pair in one["Dimensions"])))
        for one in alarms_of(closed).values()
        if not one["Namespace"].startswith("AWS/")
    }
    assert wanted == sent


@pytest.mark.parametrize(("days", "counted"), [(None, 1), (13, 2), (15, 1), (0, 2)])
def test_a_certificate_that_ends_soon_counts_as_a_failed_unit(
    closed: Stack, tmp_path: Path, days: int | None, counted: int
) -> None:
    first = start(closed, tmp_path)
    certificate = first.root / "etc/insiders/tls/server.crt"
    certificate.parent.mkdir(parents=True)
    if days:
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", str(days)]
        subprocess.run([*command, "-out", certificate, "-keyout", tmp_path / "key"], check=True, capture_output=True)
    elif days == 0:
        certificate.write_text("none")
    for name, does in {"systemctl": "echo insiders-code.service", "aws": f'echo "$@" > {tmp_path}/sent'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    subprocess.run([first.root / "usr/local/sbin/count-failed-units"], env=environment, check=True, timeout=20)
    assert (tmp_path / "sent").read_text().endswith(f"--metric-name FailedUnits --unit Count --value {counted}\n")


def test_the_agent_sends_logs_to_groups_that_are_there_and_that_it_may_write_to(
    closed: Stack, started: FirstStart
) -> None:
    agent = json.loads(started.read("opt/aws/amazon-cloudwatch-agent/etc/insiders.json"))
    files = agent["logs"]["logs_collected"]["files"]["collect_list"]
    assert {one["log_group_name"] for one in files} == {closed["ServicesLog"], closed["SystemLog"]}
    role = closed.role
    assert all(role.allow("logs:PutLogEvents", logs_of(closed, one["log_group_name"])) for one in files)
    # The services' file is the one that rsyslog writes and logrotate keeps short.
    for path in ("etc/rsyslog.d/10-insiders.conf", "etc/logrotate.d/insiders"):
        assert files[0]["file_path"] in started.read(path)
    assert "systemctl enable --now logrotate.timer" in started.calls
