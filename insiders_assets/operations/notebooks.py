"""The executed notebook of a month, beside its report: `notebooks/month.ipynb` as papermill leaves it.

Belongs here: finding the notebook, executing it, and when it is executed again. Does not belong here: what it looks at
(the notebook), or opening a month for it (:mod:`.opening`). papermill comes with the extra `[notebook]` and is imported
nowhere else.
"""

from __future__ import annotations

import json
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import insiders_assets
from insiders_assets.automation.due import Lookup
from insiders_assets.errors import StorageError
from insiders_assets.operations.executing import Progress, Tell
from insiders_assets.operations.pages import place_of_report, write_whole
from insiders_assets.operations.tracing import versions_of
from insiders_assets.settings import Settings

NAME = Path("notebooks", "month.ipynb")
STEP = "notebook"
NOT_INSTALLED = (
    "not kept: papermill or ipykernel is not installed; `pip install 'insiders-assets[notebook]'` brings both"
)
# The name of ipykernel's own kernel, which is the Python that asks for it.
KERNEL = "python3"
SECONDS_TO_START = 120


def keep_notebooks(lookup: Lookup, months: Sequence[str], tell: Tell) -> None:
    """Have the executed notebook of every month (`2011-12-01`) stand beside its report.

    Executed again only where the month's tables have changed since. A cell that fails fails no run: the notebook then
    stands there with its error, as `YYYY-MM.failed.ipynb`, which is told. It is tried again when the tables change, or
    when somebody has removed that file: the same tables would stop it again.

    Raises
    ------
    StorageError: the home cannot be written.
    """
    settings = lookup.platform.settings
    for month in months:
        made_at = {asset: version.recorded_at for asset, version in versions_of(lookup, month).items()}
        kept, failed = place_of_notebook(settings, month), place_of_failure(settings, month)
        if made_at in (_made_at(kept), _made_at(failed)):
            continue
        started = time.perf_counter()
        try:
            executed, error = execute_notebook(settings.home, month)
        except ImportError:
            tell(Progress(month[:7], STEP, NOT_INSTALLED))
            return
        except (StorageError, RuntimeError, TimeoutError) as wrong:  # no kernel, or it died: another run may do better
            tell(Progress(month[:7], STEP, f"not kept: {wrong}"))
            continue
        executed["metadata"]["insiders"] = {"month": month[:7], "made_at": made_at}
        place, other = (failed, kept) if error else (kept, failed)
        write_whole(place, json.dumps(executed, indent=1, ensure_ascii=False).encode())
        other.unlink(missing_ok=True)  # it speaks of tables that count no longer
        outcome = (
            f"stopped at a cell ({error}); it stands in {failed}, and without it is tried again" if error else "kept"
        )
        tell(Progress(month[:7], STEP, outcome, time.perf_counter() - started))


def execute_notebook(home: Path, month: str, notebook: Path | None = None) -> tuple[dict, str]:
    """A notebook (ours, if none is named) executed for a month of a home, as JSON, and the first line of the error that
    stopped it; "" if none did.

    The cells run in this very Python, whatever kernels are installed under the same name elsewhere.

    Raises
    ------
    ImportError: papermill or its kernel is not installed. StorageError: the notebook is not there. RuntimeError,
    TimeoutError: no kernel starts, or it died.
    """
    import ipykernel  # noqa: F401  # the cells' own Python, which papermill does not bring
    import papermill
    from papermill.exceptions import PapermillExecutionError

    error = ""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, NAME.name)
        try:
            papermill.execute_notebook(
                notebook or place_of_ours(),
                target,
                parameters={"month": month[:7], "home": str(home)},
                kernel_name=KERNEL,
                progress_bar=False,
                start_timeout=SECONDS_TO_START,
                kernel_manager_class=_kernel_of_this_python(),
            )
        except PapermillExecutionError as stopped:
            error = f"{stopped.ename}: {stopped.evalue}".splitlines()[0]
        executed = json.loads(target.read_text("utf-8"))
    # Neither says anything once the folder is gone.
    for place in ("input_path", "output_path"):
        executed["metadata"]["papermill"].pop(place, None)
    return executed, error


def _kernel_of_this_python() -> type:
    """The manager of the one kernel that is this Python."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class KernelOfThisPython(AsyncKernelManager):
        def __init__(self, **given: Any):
            # Without folders to look into there is ipykernel's own kernel alone: one that another environment has
            # installed under the same name would not know this package. Unencrypted, it warns on stderr.
            ours = KernelSpecManager(kernel_dirs=[])
            super().__init__(kernel_spec_manager=ours, transport_encryption="auto", **given)

    return KernelOfThisPython


def place_of_ours() -> Path:
    """The notebook to execute: of the repository that this package is run from, else the one installed with it.

    Raises
    ------
    StorageError: neither is there.
    """
    places = (Path(insiders_assets.__file__).parent.parent, Path(sysconfig.get_path("data"), "share", "insiders"))
    found = [place / NAME for place in places if (place / NAME).is_file()]
    if not found:
        raise StorageError(
            f"There is no {NAME} in {' or in '.join(map(str, places))}.",
            "Copy it there from the project's repository, or install the package again.",
        )
    return found[0]


def place_of_notebook(settings: Settings, month: str) -> Path:
    """Where the executed notebook of a month (`2011-12-01`) stands."""
    return place_of_report(settings, month).with_suffix(".ipynb")


def place_of_failure(settings: Settings, month: str) -> Path:
    """Where it stands if one of its cells has failed."""
    return place_of_report(settings, month).with_suffix(".failed.ipynb")


def _made_at(executed: Path) -> dict[str, str] | None:
    """When the tables were made that a kept notebook has read; None where there is none that can be read."""
    try:
        return dict(json.loads(executed.read_text("utf-8"))["metadata"]["insiders"]["made_at"])
    except (OSError, ValueError, KeyError):
        return None
