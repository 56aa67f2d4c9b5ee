"""What is said to a reader, before it is said in a language: a template in English, and what stands in its places.

Belongs here: the shape of a message. Does not belong here: any language but the source, English, nor how numbers and
months are written (:mod:`insiders_assets.reporting.language`).

`say("…")` is also the mark by which the catalogue's tool finds what is to be translated, so a template is a literal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """A template such as "{count} of {all}" and its parts, which may be messages themselves."""

    template: str
    parts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The message in English; its parts as Python writes them."""
        return self.template.format(**self.parts)


def say(template: str, **parts: Any) -> Message:
    """A message; `template` is English and the key of its translations."""
    return Message(template, parts)
