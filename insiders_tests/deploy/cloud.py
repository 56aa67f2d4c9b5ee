"""A cloud to create the production template in: moto's, with what its CloudFormation lacks added.

Belongs here: making stacks. Does not belong here: what should stand in them.

moto's CloudFormation resolves references, conditions and the order. Of several types it knows nothing, and of others it
drops properties in silence (whether a volume is encrypted, what a security group lets out). For those the resolved
properties are handed to the service's own API below, so that a test reads back what the template says, checked by the
API's rules. What is neither known to moto nor added here is an error.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.decode.cfn_yaml import load
from moto import mock_aws
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

from insiders_tests.deploy.iam import Policies

TEMPLATE = Path(__file__).parents[2] / "deploy" / "cloudformation" / "insiders.yaml"
# moto's, for the zones of a region that a template does not name.
REGION, ACCOUNT = "us-east-1", "123456789012"

Properties = dict[str, Any]
# A resource's physical id and its attributes for Fn::GetAtt.
Made = tuple[str, dict[str, Any]]


@functools.cache
def api(service: str) -> Any:
    """The client of a service of the cloud: made once, for making one takes longer than most requests."""
    return boto3.client(service)


def _bucket(name: str, given: Properties) -> Made:
    s3 = api("s3")
    s3.create_bucket(Bucket=name, ObjectOwnership=given["OwnershipControls"]["Rules"][0]["ObjectOwnership"])
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=given["VersioningConfiguration"])
    rules = [
        {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
        for rule in given["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=given["PublicAccessBlockConfiguration"])
    s3.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={"Rules": [_lifecycle_rule(rule) for rule in given["LifecycleConfiguration"]["Rules"]]},
    )
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": given["Tags"]})
    return name, {"Arn": f"arn:aws:s3:::{name}"}


def _lifecycle_rule(given: Properties) -> Properties:
    rule = {"ID": given.pop("Id"), "Filter": {"Prefix": given.pop("Prefix", "")}}
    expiration = {"Days": given.pop("ExpirationInDays", None)}
    expiration["ExpiredObjectDeleteMarker"] = given.pop("ExpiredObjectDeleteMarker", None)
    if expiration := {name: value for name, value in expiration.items() if value is not None}:
        rule["Expiration"] = expiration
    return {**rule, **given}


def _bucket_policy(name: str, given: Properties) -> Made:
    api("s3").put_bucket_policy(Bucket=given["Bucket"], Policy=json.dumps(given["PolicyDocument"]))
    return name, {}


def _role(name: str, given: Properties) -> Made:
    iam = api("iam")
    policies, trust = given.pop("Policies"), json.dumps(given.pop("AssumeRolePolicyDocument"))
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **given)["Role"]
    for policy in policies:
        _policy(name, {**policy, "Roles": [name]})
    return name, {"Arn": role["Arn"]}


def _policy(name: str, given: Properties) -> Made:
    for role in given["Roles"]:
        api("iam").put_role_policy(
            RoleName=role, PolicyName=given["PolicyName"], PolicyDocument=json.dumps(given["PolicyDocument"])
        )
    return name, {}


def _database(name: str, given: Properties) -> Made:
    rds = api("rds")
    # moto gives some references as its own objects.
    given = {key: getattr(value, "name", value) for key, value in given.items()}
    given["VpcSecurityGroupIds"] = given.pop("VPCSecurityGroups")
    given["Port"] = int(given["Port"])
    del given["DeleteAutomatedBackups"]  # said to the API at the deletion
    made = rds.create_db_instance(**given)["DBInstance"]
    endpoint = made.get("Endpoint", {})
    return made["DBInstanceIdentifier"], {
        "Endpoint.Address": endpoint["Address"],
        "Endpoint.Port": str(endpoint["Port"]),
        "DbiResourceId": made["DbiResourceId"],
        "MasterUserSecret.SecretArn": made["MasterUserSecret"]["SecretArn"],
    }


def _secret(name: str, given: Properties) -> Made:
    secrets = api("secretsmanager")
    how = given.pop("GenerateSecretString")
    document, key = json.loads(how.pop("SecretStringTemplate")), how.pop("GenerateStringKey")
    document[key] = secrets.get_random_password(**how)["RandomPassword"]
    return secrets.create_secret(Name=name, **given, SecretString=json.dumps(document))["ARN"], {}


def _key(name: str, given: Properties) -> Made:
    kms = api("kms")
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in given["Tags"]]
    key = kms.create_key(Description=given["Description"], Policy=json.dumps(given["KeyPolicy"]), Tags=tags)
    if given["EnableKeyRotation"]:
        kms.enable_key_rotation(KeyId=key["KeyMetadata"]["KeyId"])
    return key["KeyMetadata"]["KeyId"], {"Arn": key["KeyMetadata"]["Arn"]}


def _topic(name: str, given: Properties) -> Made:
    sns = api("sns")
    subscriptions, tags = given.pop("Subscription"), given.pop("Tags")
    topic = sns.create_topic(Name=name, Attributes=given, Tags=tags)["TopicArn"]
    for subscription in subscriptions:
        sns.subscribe(TopicArn=topic, **subscription)
    return topic, {}


def _topic_policy(name: str, given: Properties) -> Made:
    for topic in given["Topics"]:
        api("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(given["PolicyDocument"])
        )
    return name, {}


def _alarm(name: str, given: Properties) -> Made:
    api("cloudwatch").put_metric_alarm(**given)
    return given["AlarmName"], {}


def _volume(name: str, given: Properties) -> Made:
    tags = [{"ResourceType": "volume", "Tags": given.pop("Tags")}]
    return api("ec2").create_volume(**given, TagSpecifications=tags)["VolumeId"], {}


def _subnet(name: str, given: Properties) -> Made:
    ec2, public = api("ec2"), given.pop("MapPublicIpOnLaunch")
    tags = [{"ResourceType": "subnet", "Tags": given.pop("Tags")}]
    made = ec2.create_subnet(**given, TagSpecifications=tags)["Subnet"]
    ec2.modify_subnet_attribute(SubnetId=made["SubnetId"], MapPublicIpOnLaunch={"Value": public})
    return made["SubnetId"], {"AvailabilityZone": made["AvailabilityZone"]}


def _association(name: str, given: Properties) -> Made:
    return api("ec2").associate_route_table(**given)["AssociationId"], {}


def _security_group(name: str, given: Properties) -> Made:
    ec2 = api("ec2")
    tags = [{"ResourceType": "security-group", "Tags": given["Tags"]}]
    group = ec2.create_security_group(
        GroupName=name, Description=given["GroupDescription"], VpcId=given["VpcId"], TagSpecifications=tags
    )["GroupId"]
    if incoming := given.get("SecurityGroupIngress"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[_permission(rule) for rule in incoming])
    if outgoing := given.get("SecurityGroupEgress"):
        # As CloudFormation does: rules of one's own replace the one that allows everything.
        (before,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=before["IpPermissionsEgress"])
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[_permission(rule) for rule in outgoing])
    return group, {"GroupId": group}


def _permission(rule: Properties) -> Properties:
    said: Properties = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
    if "CidrIp" in rule:
        return {**said, "IpRanges": [{"CidrIp": rule["CidrIp"], "Description": rule["Description"]}]}
    group = {"GroupId": rule["DestinationSecurityGroupId"], "Description": rule["Description"]}
    return {**said, "UserIdGroupPairs": [group]}


def _instance(name: str, given: Properties) -> Made:
    given["IamInstanceProfile"] = {"Name": given["IamInstanceProfile"]}
    given["UserData"] = base64.b64decode(given["UserData"]).decode()  # boto3 encodes it again
    given["TagSpecifications"] = [{"ResourceType": "instance", "Tags": given.pop("Tags")}]
    del given["PropagateTagsToVolumeOnCreation"]  # CloudFormation's own: the API has only what it does
    return api("ec2").run_instances(**given, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"], {}


def _add(kind: str, make: Callable[[str, Properties], Made], name_property: str = "") -> None:
    """Have moto's CloudFormation make resources of a type by a function."""

    def create(cls: Any, resource_name: str, cloudformation_json: Any, *_: Any, **__: Any) -> Any:
        one = cls()
        one.physical_resource_id, one.attributes = make(resource_name, dict(cloudformation_json["Properties"]))
        return one

    members = {
        "cloudformation_type": staticmethod(lambda: kind),
        "cloudformation_name_type": staticmethod(lambda: name_property),
        "has_cfn_attr": classmethod(lambda cls, attribute: True),
        "get_cfn_attribute": lambda self, attribute: self.attributes[attribute.replace("/", ".")],
        "create_from_cloudformation_json": classmethod(create),
    }
    type(kind.rpartition("::")[2], (CloudFormationModel,), members)
    # moto has collected its types once, the last of a name counting.
    parsing.get_model_list.cache_clear()
    parsing.get_model_map.cache_clear()
    parsing.get_name_type_map.cache_clear()


@dataclass
class Stack:
    """A stack that was created."""

    name: str
    resources: dict[str, str]
    outputs: dict[str, str]

    def __getitem__(self, logical_id: str) -> str:
        """The physical id of a resource."""
        return self.resources[logical_id]

    @functools.cached_property
    def role(self) -> Policies:
        """What the box's role is allowed."""
        iam, role = api("iam"), self["BoxRole"]
        assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        return Policies(*(iam.get_role_policy(RoleName=role, PolicyName=one)["PolicyDocument"] for one in names))

    def user_data(self) -> str:
        """What the box runs at its first start."""
        answer = api("ec2").describe_instance_attribute(InstanceId=self["Box"], Attribute="userData")
        return base64.b64decode(answer["UserData"]["Value"]).decode()


@contextlib.contextmanager
def cloud() -> Iterator[None]:
    """A cloud for this process, in which stacks can be created."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            environment.delenv(name, raising=False)
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        mocked = mock_aws()
        # Nothing is removed, now or at the end: a server of other tests in this process has its buckets in there, too.
        mocked.start(reset=False)
        api.cache_clear()
        try:
            _add("AWS::S3::Bucket", _bucket, "BucketName")
            _add("AWS::S3::BucketPolicy", _bucket_policy)
            _add("AWS::IAM::Role", _role, "RoleName")
            _add("AWS::IAM::Policy", _policy, "PolicyName")
            _add("AWS::RDS::DBInstance", _database, "DBInstanceIdentifier")
            _add("AWS::SecretsManager::Secret", _secret)
            _add("AWS::KMS::Key", _key)
            _add("AWS::SNS::Topic", _topic, "TopicName")
            _add("AWS::SNS::TopicPolicy", _topic_policy)
            _add("AWS::CloudWatch::Alarm", _alarm, "AlarmName")
            _add("AWS::EC2::Volume", _volume)
            _add("AWS::EC2::Subnet", _subnet)
            _add("AWS::EC2::SubnetRouteTableAssociation", _association)
            _add("AWS::EC2::SecurityGroup", _security_group, "GroupName")
            _add("AWS::EC2::Instance", _instance)
            yield
        finally:
            mocked.stop(remove_data=False)


@functools.cache
def create_stack(name: str, **parameters: str) -> Stack:
    """The production template as a stack, with parameters beside its defaults; made once, since a cloud that is left
    keeps what stands in it."""
    client = api("cloudformation")
    needed = {"AlertEmail": "night@shop.example", "FirstMonth": "2024-01", "DeploymentName": name}
    with warnings.catch_warnings():
        # By which moto tells that it leaves a resource out. Waiting for the box's signal is the one that it may.
        warnings.filterwarnings("error", message="Tried to parse")
        warnings.filterwarnings("ignore", message="Tried to parse AWS::CloudFormation::WaitCondition")
        client.create_stack(
            StackName=name,
            # As JSON, since moto does not know all short forms of YAML. It reads ${A.B.C} as attribute B of A; written
            # so, B/C is one word to it.
            TemplateBody=re.sub(r"\$\{(\w+)\.(\w+)\.(\w+)\}", r"${\1.\2/\3}", json.dumps(template())),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in {**needed, **parameters}.items()
            ],
            Capabilities=["CAPABILITY_IAM"],
        )
        resources = client.list_stack_resources(StackName=name)["StackResourceSummaries"]
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    return Stack(
        name,
        {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources if "PhysicalResourceId" in one},
        {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]},
    )


def template() -> Any:
    """The template itself, functions as dictionaries."""
    return load(str(TEMPLATE))
