"""Files that are taken out of the count and come back; what status, ledger and readers say meanwhile.

One home lives through it all, in the order of the tests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from insiders_assets.automation.due import Due
from insiders_assets.errors import GapError
from insiders_assets.operations.status import HELD, NO_FILE, REFUSED, WAITING, TableStatus
from insiders_assets.partitions import month_of
from insiders_assets.sample import ShopParameters, write_shop
from insiders_tests.command import insiders_here
from insiders_tests.operations import shops
from insiders_tests.operations.shops import Home, new_home
from insiders_tests.servers import tcp_postgres

pytestmark = pytest.mark.usefixtures("plain_environment")

MONTHS = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]
FIRST, SECOND, THIRD, FOURTH = map(month_of, MONTHS)
IN_APRIL = dt.date(2024, 4, 20)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    shop = ShopParameters(FIRST, 4, 40, seed=5, articles=40)
    return write_shop(shop, tmp_path_factory.mktemp("files"), files="month")


@pytest.fixture(scope="module")
def home(open_folder: Path) -> Iterator[Home]:
    with shops.quick_folder() as folder, tcp_postgres(open_folder / "retiring") as server:
        yield new_home(folder, server)


@pytest.fixture(scope="module")
def made(home: Home, files: list[Path]) -> Home:
    """Three months and a half, from a zone that was filled before there was a home; and a file of no use."""
    zone = Path(home.settings.landing_location)
    zone.mkdir()
    for file in files:
        (zone / file.name).write_bytes(file.read_bytes())
    (zone / "notes.csv").write_text("milk, butter\n")
    home.run(today=IN_APRIL)
    return home


def beside(home: Home, state: str, today: dt.date = IN_APRIL) -> list[TableStatus]:
    return [one for one in home.status(today) if one.state == state]


def acts(home: Home, file: Path) -> list[str]:
    ((told, counts),) = home.sql(f"SELECT acts, counts FROM insiders.landing_ledger WHERE file_key = '{file.name}'")
    return [*(act.split(" ", 1)[1].split(" by ")[0] for act in told.split("; ")), str(counts)]


def test_a_home_that_is_none_yet_is_made_where_its_zone_is_filled(open_folder: Path, files: list[Path]) -> None:
    home = open_folder / "no home yet" / "home"
    nothing = insiders_here("run", "--home", home)
    assert nothing.code == 3
    assert "does not exist" in nothing.err
    (home / "landing").mkdir(parents=True)
    (home / "landing" / files[0].name).write_bytes(files[0].read_bytes())
    said = insiders_here("run", "--home", home)
    assert said.code == 0, said.err
    assert "2024-01    insiders_report      made" in said.out


def test_status_shows_what_is_held_and_what_was_refused_and_a_new_file_as_waiting(
    made: Home, files: list[Path]
) -> None:
    (held,) = beside(made, HELD)
    assert held.month == "2024-04"
    assert "the month has not closed yet" in held.reason
    (refused,) = beside(made, REFUSED)
    assert refused.reason.startswith("notes.csv")
    assert not beside(made, WAITING)
    new = Path(made.settings.landing_location, "new.csv")
    new.write_text("still to come\n")
    (waits,) = beside(made, WAITING)
    assert waits.reason == "new.csv: `insiders run` lands what waits"
    new.unlink()


def test_a_refused_file_is_not_looked_at_again_until_something_has_changed(made: Home) -> None:
    made.run(today=IN_APRIL)
    assert not [one for one in made.told if one.subject == "notes.csv"]


def test_retiring_says_every_month_that_follows_and_which_is_left_without_a_file(made: Home, files: list[Path]) -> None:
    stood = made.hashes()
    retired = made.retire(files[1].name)
    assert retired.due == [SECOND, THIRD]
    assert retired.without_file == [SECOND]
    found = {(one.month, one.table): one for one in made.status(IN_APRIL)}
    assert found["2024-02", "raw_invoices"].state == NO_FILE
    assert "readers see it as it was" in found["2024-02", "raw_invoices"].reason
    assert found["2024-03", "customer_features"].state == "due"
    assert made.hashes() == stood
    assert acts(made, files[1]) == ["landed", "retired", "False"]


def test_months_before_the_hole_come_up_and_the_hole_is_named(made: Home, files: list[Path]) -> None:
    changed = Path(made.settings.landing_location, files[0].name)
    changed.write_bytes(b"".join(files[0].read_bytes().splitlines(keepends=True)[:-5]))
    with pytest.raises(GapError, match="No landed file holds or covers 2024-02"):
        made.run(today=IN_APRIL)
    assert ("2024-01", "raw_invoices") in made.made()
    assert {month for month, _ in made.made()} == {"2024-01", files[0].name}
    assert made.due("2024-01-01") == []
    changed.write_bytes(files[0].read_bytes())
    with pytest.raises(GapError):
        made.run(today=IN_APRIL)


def test_catching_up_tells_the_hole_and_is_no_failure(made: Home) -> None:
    made.catch_up(IN_APRIL)
    assert [one.outcome[:40] for one in made.told if one.subject == "2024-02"] == [
        "No landed file holds or covers 2024-02; "
    ]


def test_in_the_zone_it_stays_retired_and_by_hand_it_counts_again_with_every_act_kept(
    made: Home, files: list[Path]
) -> None:
    lying = Path(made.settings.landing_location, files[1].name)
    lying.unlink()
    lying.write_bytes(files[1].read_bytes())
    made.catch_up(IN_APRIL)
    (said,) = [one.outcome for one in made.told if one.subject == files[1].name]
    assert said.startswith("was retired by ")
    assert f"`insiders retire {files[1].name} --undo`" in said
    assert acts(made, files[1]) == ["landed", "retired", "False"]

    made.run(files[1], today=IN_APRIL)
    assert acts(made, files[1]) == ["landed", "retired", "landed", "True"]
    assert made.due(*MONTHS[:3]) == list[Due]()


def test_the_command_says_what_to_do_next(made: Home, files: list[Path]) -> None:
    said = insiders_here("retire", files[1].name, "--home", made.folder)
    assert said.code == 0, said.err
    assert "Due again: 2024-02, 2024-03." in said.out
    assert "2024-02 is left without a file: land another, or `insiders declare-empty 2024-02`." in said.out
    noted = insiders_here("doctor", "--home", made.folder)
    assert "1 refused" in noted.out
    assert "No landed file holds or covers 2024-02" in noted.out

    undone = insiders_here("retire", files[1].name, "--undo", "--home", made.folder)
    assert undone.code == 0, undone.err
    assert made.due(*MONTHS[:3]) == list[Due]()
    assert acts(made, files[1])[-2:] == ["restored", "True"]
    again = insiders_here("retire", files[1].name, "--undo", "--home", made.folder)
    assert again.code == 4
    assert f"{files[1].name} counts." in again.err


def test_a_file_in_a_sub_folder_of_the_zone_is_known_by_its_path_there(made: Home, files: list[Path]) -> None:
    lying = Path(made.settings.landing_location, "till 2", files[2].name)
    lying.parent.mkdir()
    lying.write_bytes(files[2].read_bytes())
    made.run(lying, today=IN_APRIL)
    assert not Path(made.settings.landing_location, "till 2", "till 2").exists()
    key = f"till 2/{files[2].name}"
    assert made.ledger().counting(key)
    made.retire(key)
    made.run(lying, today=IN_APRIL)
    found = made.ledger().counting(key)
    assert found
    assert [act.split()[1] for act in found.acts] == ["landed", "retired", "landed"]
