"""The languages of documents: how a message, a number, an amount and a month are written in each.

Belongs here: catalogues and the forms of numbers. Does not belong here: what is said (:mod:`.content`, the facts).
Translations stand in `locale/<language>/LC_MESSAGES/insiders.po`; English is the source and needs none.
"""

from __future__ import annotations

import datetime as dt
import io
from functools import cache, cached_property
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent

from insiders_assets.domain.messages import Message, Numeral, say

ENGLISH, PORTUGUESE = "en", "pt-BR"
LANGUAGES = (ENGLISH, PORTUGUESE)
NOT_KNOWN = say("not known")


class Language:
    """A language by its code (of LANGUAGES): translates messages and writes what stands in them."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.locale = Locale.parse(code, sep="-")

    @cached_property
    def translations(self) -> NullTranslations:
        """The language's catalogue; of English an empty one."""
        return NullTranslations() if self.code == ENGLISH else _catalogue(str(self.locale))

    @cached_property
    def _marks(self) -> dict[int, str]:
        """This language's marks for those of English: looked up once, since a million sentences ask for them."""
        marks = self.locale.number_symbols["latn"]
        return str.maketrans({",": marks["group"], ".": marks["decimal"]})

    def template(self, message: Message) -> str:
        """A message's template in this language, its places still empty."""
        return self.translations.gettext(message.template)

    def tell(self, message: Message | str) -> str:
        """A message with its parts as plain text; a part that is a date is told as a month, text stands as it is."""
        if isinstance(message, str):
            return message
        return self.template(message).format(**{name: self._part(part) for name, part in message.parts.items()})

    def _part(self, part: Any) -> str:
        if isinstance(part, dt.date):
            return self.month(part)
        if isinstance(part, Numeral):
            return self.numeral(part)
        return self.tell(part)

    def numeral(self, written: Numeral) -> str:
        """A number that is already written, with this language's marks."""
        return written.translate(self._marks)

    def number(self, value: float, decimals: int = 0) -> str:
        """A plain number: 1,234.50 or 1.234,50. What rounds to zero has no minus."""
        return format_decimal(_rounded(value, decimals), format=_form(decimals), locale=self.locale)

    def percent(self, share: float, decimals: int = 2) -> str:
        """A share (0 to 1) in per cent."""
        return format_percent(_rounded(share, decimals + 2), format=f"{_form(decimals)}%", locale=self.locale)

    def money(self, value: float, currency: str, decimals: int = 2) -> str:
        """An amount with its currency's sign, to the given decimals."""
        pattern = self.locale.currency_formats["standard"].pattern.replace("0.00", _form(decimals).removeprefix("#,##"))
        return format_currency(
            _rounded(value, decimals), currency, format=pattern, locale=self.locale, currency_digits=False
        )

    def written(self, value: float | None, unit: str, currency: str = "") -> str:
        """A fact's value by its unit; money without its currency's sign where none is given, as in a table whose head
        has it."""
        if value is None:
            return self.tell(NOT_KNOWN)
        if unit == "currency":
            return self.money(value, currency) if currency else self.number(value, 2)
        if unit == "share":
            # A share that somebody has set is a whole number of per cent, and reads as one.
            return self.percent(value, 0 if round(100 * value, 9).is_integer() else 2)
        if unit == "p":
            return self._small(value)
        if unit in DECIMALS:
            return self.number(value, DECIMALS[unit])
        return self.number(value, 0 if float(value).is_integer() else 2)

    def _small(self, value: float) -> str:
        """A probability with three digits that count, in powers of ten where it is tiny."""
        if 0 < value < 0.001:
            digits, power = f"{value:.2e}".split("e")
            return f"{self.number(float(digits), 2)}e{power}"
        return self.number(value, 4)

    def month(self, day: dt.date) -> str:
        """December 2011, dezembro de 2011."""
        return format_date(day, "MMMM 'de' y" if self.code == PORTUGUESE else "MMMM y", locale=self.locale)

    def short_month(self, day: dt.date) -> str:
        """Dec 2011, dez. 2011."""
        return format_date(day, "MMM y", locale=self.locale)


def in_both_languages(column: str, message: Message) -> dict[str, str]:
    """A message as a table keeps it: in English under `<column>_en`, in Portuguese under `<column>_pt`."""
    return {f"{column}_en": str(message), f"{column}_pt": Language(PORTUGUESE).tell(message)}


DECIMALS = {"silhouette": 2, "effect": 4, "score": 3}


def _form(decimals: int) -> str:
    return "#,##0" + ("." + "0" * decimals if decimals else "")


def _rounded(value: float, decimals: int) -> float:
    """Zero without its sign for what would be written as -0."""
    return 0.0 if abs(value) <= 0.5 * 10**-decimals else value


@cache
def _catalogue(name: str) -> GNUTranslations:
    """The translations as they stand in the text catalogue: compiled in memory, so that no binary has to be kept."""
    file = resources.files("insiders_assets.reporting") / "locale" / name / "LC_MESSAGES" / "insiders.po"
    compiled = io.BytesIO()
    with file.open("rb") as text:
        write_mo(compiled, read_po(text, locale=name))
    compiled.seek(0)
    return GNUTranslations(compiled)
