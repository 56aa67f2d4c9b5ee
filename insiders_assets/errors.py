"""Errors that speak to the person who can act.

Belongs here: one class per *kind* of trouble, with the exit code of that kind. Does not belong here: catching,
printing, or any sentence about a particular file; those are written where the trouble is found.
"""

import datetime as dt


class InsidersError(Exception):
    """Trouble that a person can mend: what happened (with file, line, month) and, apart from it, what to do.

    Parameters
    ----------
    problem: one sentence that names the thing concerned.
    remedy: one sentence that says what to do; may be empty where `problem` already says it.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = ""):
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class SettingsError(InsidersError):
    """A setting is missing, unknown or out of range."""

    exit_code = 3


class InputError(InsidersError):
    """A file that was brought is not what it should be."""

    exit_code = 4


class LostMonthError(InputError):
    """A file would replace another that alone holds a month: whether it can be used hangs on the files that count."""


class MissingMonthError(InsidersError):
    """A month is asked for that cannot exist, or stands on months that are not there yet."""

    exit_code = 5


class NoMonthYetError(MissingMonthError):
    """No month can exist yet: nothing was landed, or only lines of a month that has not closed."""


class GapError(MissingMonthError):
    """Later months stand on some that nothing is known of; those before the first of these can be made."""

    def __init__(self, problem: str, remedy: str, first_missing: dt.date):
        super().__init__(problem, remedy)
        self.first_missing = first_missing


class UnreachableError(InsidersError):
    """A database, a bucket or a server does not answer."""

    exit_code = 6


class StorageError(InsidersError):
    """A folder, bucket or disk answers, but does not take or give the data."""

    exit_code = 7


class BusyError(InsidersError):
    """Somebody else is working on the same home."""

    exit_code = 8


class ContractError(InsidersError):
    """Data inside the platform break the contract of their table: nothing was written."""

    exit_code = 9


class DownloadError(InsidersError):
    """A download failed or brought something else than was promised."""

    exit_code = 10
