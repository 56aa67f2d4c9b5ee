"""The evaluator that other tests judge policies by keeps to the rules that AWS documents."""

from __future__ import annotations

from typing import Any

import pytest

from insiders_tests.deploy.iam import Policies, matches

BUCKET = "arn:aws:s3:::shop"


def one(effect: str = "Allow", action: Any = "s3:GetObject", resource: Any = f"{BUCKET}/lake/*", **more: Any) -> Any:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("lake/*", "lake/a/b", True),
        ("lake/*", "lake/", True),
        ("lake/*", "lakes/a", False),
        ("lake/?", "lake/ab", False),
        # Neither a regular expression nor a shell's pattern.
        ("a.b", "axb", False),
        ("[ab]", "a", False),
    ],
)
def test_only_star_and_question_mark_are_wildcards(pattern: str, value: str, fits: bool) -> None:
    assert matches(pattern, value) == fits


def test_what_nobody_allows_is_refused() -> None:
    policies = Policies(one())
    assert policies.allow("s3:GetObject", f"{BUCKET}/lake/a")
    assert not policies.allow("s3:PutObject", f"{BUCKET}/lake/a")
    assert not policies.allow("s3:GetObject", f"{BUCKET}/other/a")


def test_actions_are_of_any_case_and_resources_are_not() -> None:
    assert Policies(one()).allow("S3:getobject", f"{BUCKET}/lake/a")
    assert not Policies(one()).allow("s3:GetObject", f"{BUCKET}/Lake/a")


def test_a_denial_is_stronger_than_any_permission_also_of_another_document() -> None:
    policies = Policies(one(action="s3:*"), one("Deny", action="s3:Delete*"))
    assert policies.allow("s3:GetObject", f"{BUCKET}/lake/a")
    assert not policies.allow("s3:DeleteObject", f"{BUCKET}/lake/a")
    assert policies.deny("s3:DeleteObject", f"{BUCKET}/lake/a")


def test_all_operators_and_keys_of_a_condition_must_hold_and_one_of_a_keys_values() -> None:
    condition = {"StringEquals": {"a": ["1", "2"], "b": "3"}, "StringLike": {"c": "x*"}}
    policies = Policies(one(Condition=condition))

    def allowed(**context: str) -> bool:
        return policies.allow("s3:GetObject", f"{BUCKET}/lake/a", context)

    assert allowed(a="2", b="3", c="xyz")
    assert not allowed(a="2", b="4", c="xyz")
    assert not allowed(a="2", b="3", c="y")
    # Equals knows no wildcards.
    assert not Policies(one(Condition={"StringEquals": {"a": "*"}})).allow(
        "s3:GetObject", f"{BUCKET}/lake/a", {"a": "1"}
    )


@pytest.mark.parametrize(
    ("operator", "without_the_key"),
    [("StringEquals", False), ("StringEqualsIfExists", True), ("ForAllValues:StringEquals", True)],
)
def test_a_key_that_a_request_lacks(operator: str, without_the_key: bool) -> None:
    policies = Policies(one(Condition={operator: {"a": "1"}}))
    assert policies.allow("s3:GetObject", f"{BUCKET}/lake/a") == without_the_key
    assert policies.allow("s3:GetObject", f"{BUCKET}/lake/a", {"A": "1"})
    assert not policies.allow("s3:GetObject", f"{BUCKET}/lake/a", {"a": "2"})


def test_for_all_values_wants_each_and_for_any_value_one() -> None:
    every = Policies(one(Condition={"ForAllValues:StringEquals": {"a": ["1", "2"]}}))
    some = Policies(one(Condition={"ForAnyValue:StringEquals": {"a": ["1", "2"]}}))
    for values, by_every, by_some in ((["1", "2"], True, True), (["1", "3"], False, True), (["3"], False, False)):
        assert every.allow("s3:GetObject", f"{BUCKET}/lake/a", {"a": values}) == by_every
        assert some.allow("s3:GetObject", f"{BUCKET}/lake/a", {"a": values}) == by_some


def test_a_wildcard_in_an_arn_stays_in_its_part() -> None:
    policies = Policies(one(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:*:1:alarm:*"}}))

    def allowed(arn: str) -> bool:
        return policies.allow("s3:GetObject", f"{BUCKET}/lake/a", {"aws:SourceArn": arn})

    assert allowed("arn:aws:cloudwatch:eu-central-1:1:alarm:a")
    assert not allowed("arn:aws:cloudwatch:eu-central-1:2:1:alarm:a")
    assert not allowed("arn:aws:sns:eu-central-1:1:alarm:a")


def test_booleans_and_numbers() -> None:
    assert Policies(one("Deny", Condition={"Bool": {"t": "false"}})).deny(
        "s3:GetObject", f"{BUCKET}/lake/a", {"t": "False"}
    )
    old = Policies(one("Deny", Condition={"NumericLessThan": {"v": "1.2"}}))
    assert old.deny("s3:GetObject", f"{BUCKET}/lake/a", {"v": "1.1"})
    assert not old.deny("s3:GetObject", f"{BUCKET}/lake/a", {"v": "1.2"})


def test_a_resources_policy_means_whom_it_names() -> None:
    policies = Policies(one(Principal={"Service": "cloudwatch.amazonaws.com"}))
    assert policies.allow("s3:GetObject", f"{BUCKET}/lake/a", principal="cloudwatch.amazonaws.com")
    assert not policies.allow("s3:GetObject", f"{BUCKET}/lake/a", principal="events.amazonaws.com")
    assert Policies(one(Principal="*")).allow("s3:GetObject", f"{BUCKET}/lake/a", principal="anybody")


@pytest.mark.parametrize(
    "statement",
    [
        {"NotAction": "s3:*"},
        {"NotResource": "*"},
        {"NotPrincipal": "*"},
        {"Condition": {"StringNotEquals": {"a": "1"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
    ],
)
def test_what_is_not_known_here_is_an_error_and_not_ignored(statement: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        Policies(one(**statement))


def test_policy_variables_are_an_error() -> None:
    with pytest.raises(NotImplementedError):
        Policies(one(resource=f"{BUCKET}/${{aws:username}}/*")).allow("s3:GetObject", f"{BUCKET}/me/a")


def test_a_document_without_todays_version_is_an_error() -> None:
    with pytest.raises(NotImplementedError):
        Policies({"Statement": one()["Statement"]})
