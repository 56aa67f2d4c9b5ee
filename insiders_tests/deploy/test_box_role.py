"""What the box's role may do and what it may not, by the policies of the template in moto's cloud, evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from insiders_assets.storage.objects import BucketStore
from insiders_tests.deploy.cloud import ACCOUNT, REGION, Stack, api
from insiders_tests.deploy.iam import Context
from insiders_tests.deploy.stacks import box_of, bucket_of, database_of, logs_of
from insiders_tests.servers import S3

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
