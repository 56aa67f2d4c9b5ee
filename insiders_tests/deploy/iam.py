"""What policies allow: a strict reading of the parts of AWS's language that our template uses.

Belongs here: the evaluation. Does not belong here: which policies there are, and what they should allow.

Strict: an element or a condition operator that is not known here is an error and not ignored, so that no statement is
taken for more or for less than it says. moto's own check knows no conditions of requests, and the evaluators on PyPI
are an alpha or look for patterns only; `test_iam.py` holds this one to AWS's documented rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Context = Mapping[str, str | Sequence[str]]
KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringLike": lambda wanted, value: matches(wanted, value),
    "ArnLike": lambda wanted, value: _arn_matches(wanted, value),
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "NumericLessThan": lambda wanted, value: float(value) < float(wanted),
}


def matches(pattern: str, value: str) -> bool:
    """Whether a value fits a pattern in which `*` stands for any signs and `?` for one."""
    if "${" in pattern:
        raise NotImplementedError(f"policy variables: {pattern}")
    signs = {"*": ".*", "?": "."}
    return re.fullmatch("".join(signs.get(sign, re.escape(sign)) for sign in pattern), value, re.DOTALL) is not None


class Policies:
    """Policy documents that count together, as those of one role, or that of one bucket.

    Raises
    ------
    NotImplementedError: a document has something that is not known here.
    """

    def __init__(self, *documents: Mapping[str, Any]):
        self.statements: list[Mapping[str, Any]] = []
        for document in documents:
            if document.get("Version") != "2012-10-17":
                raise NotImplementedError(f"version {document.get('Version')}")
            self.statements += _list(document["Statement"])
        for statement in self.statements:
            if unknown := set(statement) - KNOWN:
                raise NotImplementedError(f"{statement.get('Sid')}: {', '.join(sorted(unknown))}")
            if statement["Effect"] not in ("Allow", "Deny"):
                raise NotImplementedError(f"effect {statement['Effect']}")
            for operator in statement.get("Condition", {}):
                _operator(operator)

    def allow(self, action: str, resource: str = "*", context: Context | None = None, principal: str = "") -> bool:
        """Whether a request is allowed: by at least one statement, and denied by none."""
        effects = self._effects(action, resource, context or {}, principal)
        return "Allow" in effects and "Deny" not in effects

    def deny(self, action: str, resource: str = "*", context: Context | None = None, principal: str = "") -> bool:
        """Whether a request is denied whatever other policies say."""
        return "Deny" in self._effects(action, resource, context or {}, principal)

    def _effects(self, action: str, resource: str, context: Context, principal: str) -> set[str]:
        return {
            statement["Effect"]
            for statement in self.statements
            # Names of actions are of any case, resources are not.
            if any(matches(one.lower(), action.lower()) for one in _list(statement["Action"]))
            and any(matches(one, resource) for one in _list(statement["Resource"]))
            and _is_meant(statement.get("Principal"), principal)
            and _holds(statement.get("Condition", {}), context)
        }


def _is_meant(principals: Any, principal: str) -> bool:
    """A role's policy names nobody; a resource's names everybody, or some by kind."""
    if principals is None or principals == "*":
        return True
    return any(principal in _list(names) for names in principals.values())


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """All operators and all their keys have to hold; of a key's values one is enough."""
    for name, keys in conditions.items():
        every, if_there, holds = _operator(name)
        folded = {key.lower(): value for key, value in context.items()}
        for key, wanted in keys.items():
            values = folded.get(key.lower())
            if values is None:
                # Nothing that could contradict; otherwise a key that the request lacks fits nothing.
                if every or if_there:
                    continue
                return False
            found = [any(holds(str(one), value) for one in _list(wanted)) for value in _list(values)]
            if not (all(found) if every else any(found)):
                return False
    return True


def _operator(name: str) -> tuple[bool, bool, Callable[[str, str], bool]]:
    """An operator's name in parts: for all values, if it exists, and what it compares."""
    every, rest = name.startswith("ForAllValues:"), name.removeprefix("ForAllValues:").removeprefix("ForAnyValue:")
    if (bare := rest.removesuffix("IfExists")) not in OPERATORS:
        raise NotImplementedError(f"condition operator {name}")
    return every, bare != rest, OPERATORS[bare]


def _arn_matches(pattern: str, arn: str) -> bool:
    """Part by part: no wildcard reaches over a colon of the first five."""
    wanted, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(wanted) == len(parts) and all(map(matches, wanted, parts))


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
