"""What is said to a reader, before it is said in a language: a template in English, and what stands in its places.

Belongs here: the shape of a message. Does not belong here: any language but the source, English, nor how numbers and
months are written (:mod:`insiders_assets.reporting.language`).

`say("…")` is also the mark by which the catalogue's tool finds what is to be translated, so a template is a literal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any


class Numeral(str):
    """A number as English writes it, 1,234.5: a part in which every language puts its own marks."""


@dataclass(frozen=True)
class Message:
    """A template such as "{count} of {all}" and its parts: text, numerals, dates, or messages themselves."""

    template: str
    parts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The message in English; its parts as Python writes them."""
        return self.template.format(**self.parts)


def say(template: str, **parts: Any) -> Message:
    """A message; `template` is English and the key of its translations."""
    return Message(template, parts)


COMMA, SEMICOLON = say("{first}, {second}"), say("{first}; {second}")
AND, OR = say("{first} and {second}"), say("{first} or {second}")


def joined(by: Message, messages: Sequence[Message]) -> Message:
    """Messages, one at least, in a row; `by` is COMMA or the like."""
    return reduce(lambda first, second: Message(by.template, {"first": first, "second": second}), messages)
