"""The production template, created in moto's cloud and read back through the services' own APIs: who gets in, what is
kept and how, and that no secret stands in it."""

from __future__ import annotations

import json
import re

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from insiders_tests.deploy.cloud import REGION, TEMPLATE, Stack, api, template
from insiders_tests.deploy.iam import Policies
from insiders_tests.deploy.stacks import CIDR, IMAGE, box_of, bucket_of, database_of, group

# What is longer is refused by AWS.
LONGEST_TEMPLATE = 51_200


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
