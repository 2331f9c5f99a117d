"""What leaves the office: small numbers of children are not shown, and cannot be worked out from all that is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cfc_geo import catalog
from cfc_geo.errors import DataError
from cfc_geo.handout import exact_tables, hand_out
from cfc_geo.inputs.results import read_result
from cfc_geo.model import Finished
from cfc_geo.outputs.shared import MAP, WORKBOOK, write_shared
from cfc_geo.outputs.shared_workbook import CIRCLE as CIRCLE_SHEET
from cfc_geo.outputs.shared_workbook import COVERAGE as COVERAGE_SHEET
from cfc_geo.questions.disclosure import relations
from cfc_geo.questions.disclosure.protect import Protected, protect
from cfc_geo.questions.disclosure.rules import SHOWN, SUPPRESSED, UNKNOWN, Rules
from cfc_geo.tables import CIRCLE_COLUMNS, COVERAGE_COLUMNS, children_column, children_columns, circle_column
from tests.attacker import (
    CIRCLE,
    CLOSE,
    WHOLE,
    Key,
    Knowledge,
    area,
    circle,
    figures_of,
    furthest,
    most,
    page_data,
    sheet_rows,
    squares,
    town,
    walks,
)

RULES = Rules()


@pytest.fixture(scope="module")
def finished(result_folder: Path) -> Finished:
    return read_result(result_folder)


@pytest.fixture(scope="module")
def protected(finished: Finished) -> Protected:
    return hand_out(finished, RULES)


@pytest.fixture(scope="module")
def shared(finished: Finished, protected: Protected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    write_shared(folder, finished, protected, "zh")
    return folder


# ---------------------------------------------------------------------------------------------------------- the rules


def test_rules_that_protect_too_little_are_refused() -> None:
    with pytest.raises(DataError, match="k = 4") as told:
        Rules(k=4, base=1)
    assert [finding.code for finding in told.value.findings] == ["share.k", "share.base"]
    assert Rules(k=5).k == 5


@pytest.mark.parametrize("k", [5, 7, 10, 12, 13])
def test_what_is_shown_is_0_or_at_least_k_and_tells_no_more_than_it_says(k: float) -> None:
    rules = Rules(k=k)
    counts = np.array([0, *np.arange(k, 60, 0.25)])
    shown = rules.rounded(counts)
    assert not rules.is_small(counts).any() and (np.diff(shown) >= 0).all()
    assert ((shown == 0) == (counts == 0)).all() and (shown[1:] >= k).all() and (shown % 5 == 0).all()
    lower, upper = rules.bounds(shown)
    assert ((lower <= counts) & ((counts < upper) | (counts == 0))).all()
    outside = [
        value for value in np.unique(shown) if value and not (counts[shown == value] == max(value - 2.5, k)).any()
    ]
    assert outside == []


# ------------------------------------------------------------------------------------------------------ towns by hand


def town_tables(cells: Mapping[str, list[tuple[float, str]]], parents: Mapping[str, str]) -> tuple[pd.DataFrame, ...]:
    """Coverage, circle and units of a town: unit at the bottom → (children, status of the park), by unit of the rest.

    One kind (park), one band (6-11), and a circle that asks for a park only.
    """
    above: dict[str, list[str]] = {}
    for unit in cells:
        line, at = [unit, WHOLE], unit
        while at := parents.get(at, ""):
            line.append(at)
        above[unit] = line
    sums = {
        unit: dict.fromkeys(("covered", "gap", "unknown"), 0.0) for unit in [WHOLE, *cells, *parents.values()] if unit
    }
    for unit, homes in cells.items():
        for children, status in homes:
            for of in above[unit]:
                sums[of][status] += children
    units = pd.DataFrame(
        {"unit_id": [u for u in sums if u != WHOLE], "parent_id": [parents.get(u, "") for u in sums if u != WHOLE]}
    )
    labels = {"unit_name": "", "level": "", "band": "6-11"}
    rows = [{"unit_id": unit, "children": sum(of.values()), **of, **labels} for unit, of in sums.items()]
    coverage = pd.DataFrame(rows).assign(
        kind="park", limit_m=500.0, covered_share=0.0, mean_walk_m=np.nan, mean_walk_min=np.nan
    )
    names = {"covered": "complete", "gap": "incomplete"}
    of_circle = (
        pd.DataFrame(rows).rename(columns=names).assign(complete_share=0.0, mean_items_share=0.0, most_missing_kind="")
    )
    return coverage[list(COVERAGE_COLUMNS)], of_circle[list(CIRCLE_COLUMNS)], units


def protected_town(cells: Mapping[str, list[tuple[float, str]]], parents: Mapping[str, str], **asked: Any) -> Protected:
    return protect(*town_tables(cells, parents), {"6-11": ("park",)}, asked.pop("rules", RULES), **asked)


def row(protected: Protected, unit: str) -> dict[str, Any]:
    table = protected.coverage.set_index("unit_id")
    names = ("children", "covered", "gap", "unknown")
    return {
        name: table[name][unit] if table[f"{name}_state"][unit] == SHOWN else table[f"{name}_state"][unit]
        for name in names
    }


def test_plenty_is_rounded_and_nobody_is_0() -> None:
    shown = protected_town({"A": [(31, "covered"), (20, "gap")], "B": [(43, "gap")]}, {})
    assert row(shown, "A") == {"children": 50, "covered": 30, "gap": 20, "unknown": 0}
    assert row(shown, "B") == {"children": 45, "covered": 0, "gap": 45, "unknown": 0}
    assert row(shown, WHOLE) == {"children": 95, "covered": 30, "gap": 65, "unknown": 0}
    assert shown.hidden == 0
    of_a = shown.coverage.set_index("unit_id").loc["A"]
    assert of_a["covered_share"] == 30 / 50 and of_a["mean_walk_m_state"] == UNKNOWN


def test_what_a_small_count_is_the_rest_of_is_kept_back_too() -> None:
    """3 of 35 have no park: who knows that 35 live there and 32 are covered, knows that it is few."""
    cells = {"A": [(32, "covered"), (3, "gap")], "B": [(60, "covered"), (40, "gap")]}
    without = protected_town(cells, {}, complementary=False)
    assert row(without, "A") == {"children": 35, "covered": 30, "gap": SUPPRESSED, "unknown": 0}
    shown = protected_town(cells, {})
    assert row(shown, "A")["covered"] == row(shown, "A")["gap"] == SUPPRESSED
    assert np.isnan(shown.coverage.set_index("unit_id")["covered_share"]["A"])
    assert (shown.circle["complete_state"] == shown.coverage["covered_state"]).all()


def test_nothing_is_said_of_a_unit_of_few_children() -> None:
    shown = protected_town({"A": [(6, "gap")], "B": [(60, "covered"), (40, "gap")]}, {"A": "P", "B": "P"})
    assert set(row(shown, "A").values()) == {SUPPRESSED}


def test_children_in_no_unit_below_are_not_told_by_the_difference() -> None:
    """All of P but 4 live in A: P and A together would tell of the 4."""
    cells = {"A": [(100.0, "covered")], "P": [(4.0, "gap")]}
    shown = protected_town(cells, {"A": "P"})
    assert SUPPRESSED in (row(shown, "P")["children"], row(shown, "A")["children"]) or (
        row(shown, "P")["children"] - row(shown, "A")["children"] + 5 >= RULES.k
    )
    assert row(shown, "P")["gap"] == SUPPRESSED


def test_what_nobody_knows_is_not_said_to_be_kept_back() -> None:
    coverage, of_circle, units = town_tables({"A": [(31, "covered")], "B": [(43, "gap")]}, {})
    figures = ["children", "covered", "gap", "unknown"]
    coverage.loc[coverage["unit_id"] == "B", figures] = np.nan
    of_circle.loc[of_circle["unit_id"] == "B", ["children", "complete", "incomplete", "unknown"]] = np.nan
    before = coverage.copy()
    shown = protect(coverage, of_circle, units, {"6-11": ("park",)}, RULES)
    assert set(row(shown, "B").values()) == {UNKNOWN}
    pd.testing.assert_frame_equal(coverage, before)


def truth(coverage: pd.DataFrame, of_circle: pd.DataFrame) -> dict[Key, float]:
    """Every count as it is."""
    found: dict[Key, float] = {}
    for at in [*coverage.to_dict("records"), *of_circle.assign(kind=CIRCLE).to_dict("records")]:
        found[at["band"], at["unit_id"], "", "children"] = at["children"]
        found |= {(at["band"], at["unit_id"], at["kind"], name): at[name] for name in figures_of(at["kind"])}
    return found


def small(counts: Mapping[Key, float], k: float) -> dict[Key, float]:
    return {key: count for key, count in counts.items() if CLOSE < count < k}


def shown_figures(protected: Protected) -> dict[Key, float]:
    """Every count that is shown."""
    found: dict[Key, float] = {}
    for at in [*protected.coverage.to_dict("records"), *protected.circle.assign(kind=CIRCLE).to_dict("records")]:
        counts = [("", "children"), *((at["kind"], name) for name in figures_of(at["kind"]))]
        found |= {(at["band"], at["unit_id"], *of): at[of[1]] for of in counts if at[f"{of[1]}_state"] == SHOWN}
    return found


homes = st.lists(
    st.tuples(st.one_of(st.integers(0, 40), st.floats(0, 25)), st.sampled_from(("covered", "gap", "unknown"))),
    max_size=4,
)


@settings(max_examples=15)
@given(
    st.fixed_dictionaries(dict.fromkeys("ABCD", homes)),
    st.sampled_from([{}, {"A": "P", "B": "P"}, {"A": "P", "B": "P", "C": "Q", "D": "Q", "P": "R", "Q": "R"}]),
    st.sampled_from([Rules(), Rules(k=5), Rules(k=12)]),
)
def test_of_no_town_a_small_count_can_be_worked_out(
    cells: dict[str, list[tuple[float, str]]], parents: dict[str, str], rules: Rules
) -> None:
    tables = town_tables(cells, parents)
    shown = protect(*tables, {"6-11": ("park",)}, rules)
    again = protect(*(table.sample(frac=1, random_state=1) for table in tables), {"6-11": ("park",)}, rules)
    pd.testing.assert_frame_equal(again.coverage.sort_index(), shown.coverage)
    figures = shown_figures(shown)
    assert all(figure == 0 or figure >= rules.k for figure in figures.values())
    below = {
        unit: [part for part in tables[2]["unit_id"] if parents.get(part, "") == unit] for unit in tables[2]["unit_id"]
    }
    below[WHOLE] = [unit for unit in tables[2]["unit_id"] if not parents.get(unit)]
    knowledge = Knowledge()
    town(knowledge, {"6-11": ["park", CIRCLE]}, below)
    circle(knowledge, "6-11", ["park"], [unit for unit in below if not below[unit]])
    for key, figure in figures.items():
        knowledge.is_shown(key, figure, rules.k, rules.base)
    hidden = small(truth(*tables[:2]), rules.k)
    assert set(hidden).isdisjoint(figures)
    wanted = {key: count + rules.k for key, count in hidden.items()}
    assert most(knowledge, wanted) == pytest.approx(wanted)


# ----------------------------------------------------------------------------------------------- the attack on a sample


def known_to_a_reader(folder: Path, finished: Finished) -> Knowledge:
    """Everything that the shared files of a result say."""
    page, knowledge = page_data(folder / MAP), Knowledge()
    measures = {
        band: [kind for kind, _ in page["measures"] if band in page["figures"][kind]] for band, _ in page["bands"]
    }
    below = below_of(finished)
    town(knowledge, measures, below)
    for band in measures:
        circle(knowledge, band, finished.rules.baskets[band], [unit for unit in below if not below[unit]])
    figures, told_walks = figures_in_workbook(folder / WORKBOOK)
    assert figures == figures_in_page(page)
    for key, figure in figures.items():
        knowledge.is_shown(key, figure, RULES.k, RULES.base)
    walks(knowledge, told_walks, {kind: norm.limit_m for kind, norm in finished.rules.limits.items()}, below)
    squares(knowledge, page, list(measures))
    return knowledge


def below_of(finished: Finished) -> dict[str, list[str]]:
    known = dict(zip(finished.units["unit_id"], finished.units["parent_id"], strict=True))
    below = {unit: [part for part, parent in known.items() if parent == unit] for unit in known}
    return below | {WHOLE: [unit for unit, parent in known.items() if parent not in known]}


def figures_in_page(page: dict[str, Any]) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for measure, by_band in page["figures"].items():
        names = [("", "children"), *((measure, name) for name in figures_of(measure))]
        for band, by_unit in by_band.items():
            for unit, told in by_unit.items():
                found |= {(band, unit, *of): at for of, at in zip(names, told, strict=False) if not isinstance(at, str)}
    return found


def figures_in_workbook(path: Path) -> tuple[dict[Key, float], dict[Key, float]]:
    """Counts, and mean walks."""
    kinds = {catalog.kind_name(kind, "zh"): kind for kind in catalog.kinds()}
    bands = {catalog.band_name(band, "zh"): band for band in catalog.bands()}
    counts: dict[Key, float] = {}
    metres: dict[Key, float] = {}
    for number, columns in ((1, COVERAGE_SHEET), (2, CIRCLE_SHEET)):
        for record in sheet_rows(path, number):
            at = dict(zip(columns, record, strict=True))
            of = (bands[at["band"]], at["unit_id"])
            kind = kinds[at["kind"]] if "kind" in at else CIRCLE
            names = [("", "children"), *((kind, name) for name in figures_of(kind))]
            counts |= {(*of, *name): at[name[1]] for name in names if not isinstance(at[name[1]], str)}
            if isinstance(at.get("mean_walk_m"), (int, float)):
                metres[(*of, kind, "walk")] = at["mean_walk_m"]
    return counts, metres


def in_squares(page: dict[str, Any], finished: Finished) -> dict[Key, float]:
    """The children of every square as they are, and of them those whose circle is complete, and the rest."""
    cells = finished.cells.assign(geometry=finished.cells.geometry.centroid).to_crs(4326)
    found: dict[Key, float] = {}
    for turn, block in enumerate(page["blocks"]):
        square = shapely.transform(area(block["at"]), lambda pairs: pairs[:, ::-1])
        inside = cells[cells.geometry.within(square)]
        by_band = {band: inside[children_column(band)] for band in catalog.bands()}
        children = sum(of_band.sum() for of_band in by_band.values())
        complete = sum(of[inside[circle_column(band)] == "covered"].sum() for band, of in by_band.items())
        counts = {"children": children, "complete": complete, "rest": children - complete}
        found |= {("square", str(turn), "", what): float(count) for what, count in counts.items()}
    return found


def test_from_all_shared_files_no_small_count_can_be_worked_out(shared: Path, finished: Finished) -> None:
    assert sorted(path.name for path in shared.iterdir()) == [MAP, WORKBOOK]
    of_squares = in_squares(page_data(shared / MAP), finished)
    everybody = finished.cells[list(children_columns())].to_numpy().sum()
    assert sum(count for key, count in of_squares.items() if key[3] == "children") == pytest.approx(everybody)
    hidden = small(truth(*exact_tables(finished)) | of_squares, RULES.k)
    assert len(hidden) > 300 and any(key[0] == "square" for key in hidden)
    wanted = {key: count + RULES.k for key, count in hidden.items()}
    assert most(known_to_a_reader(shared, finished), wanted) == pytest.approx(wanted, abs=1e-4)


def of_one_band(finished: Finished, band: str, **asked: Any) -> tuple[Protected, dict[Key, float], Knowledge]:
    """Tables of a band as they are shown, its counts as they are, and what is known of any town."""
    tables = tuple(table[table["band"] == band].reset_index(drop=True) for table in exact_tables(finished))
    shown = protect(*tables, finished.units, finished.rules.baskets, RULES, **asked)
    counts, knowledge, below = truth(*tables), Knowledge(), below_of(finished)
    kinds = sorted({key[2] for key in counts if key[2] not in ("", CIRCLE)})
    town(knowledge, {band: [*kinds, CIRCLE]}, below)
    circle(knowledge, band, finished.rules.baskets[band], [unit for unit in below if not below[unit]])
    return shown, counts, knowledge


def test_in_a_large_place_tables_that_differ_near_a_count_are_enough(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relations, "ENOUGH", 8)
    monkeypatch.setattr(relations, "ENOUGH_OF_KIND", 16)
    shown, counts, knowledge = of_one_band(finished, "3-5")
    for key, figure in shown_figures(shown).items():
        knowledge.is_shown(key, figure, RULES.k, RULES.base)
    wanted = {key: count + RULES.k for key, count in small(counts, RULES.k).items()}
    assert len(wanted) > 50 and most(knowledge, wanted) == pytest.approx(wanted, abs=1e-4)


def test_the_attack_finds_what_is_hidden_by_itself(finished: Finished) -> None:
    """Were only small counts left out, and the others exact, most of them would be known."""
    shown, counts, knowledge = of_one_band(finished, "0-2", complementary=False)
    hidden = small(counts, RULES.k)
    for key in shown_figures(shown):
        knowledge.is_shown(key, counts[key], RULES.k, 0)
    matrix, bound = knowledge.program()
    sure = [key for key in hidden if furthest(matrix, bound, knowledge.number[key], 1) < RULES.k - CLOSE]
    assert len(sure) > 0.5 * len(hidden) > 20
