"""The workbook and the map that leave the office: what stands in them, that nothing else does, how they look."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest
import shapely

from cfc_geo.catalog import target_plans
from cfc_geo.handout import hand_out
from cfc_geo.inputs.results import read_result
from cfc_geo.model import Finished
from cfc_geo.outputs.score_words import told_in
from cfc_geo.outputs.shared import MAP, WORKBOOK, write_shared
from cfc_geo.outputs.shared_map import draw_shared
from cfc_geo.outputs.shared_workbook import CIRCLE, COVERAGE, SCORES, SOURCES
from cfc_geo.questions.disclosure.blocks import merge_cells, shown_blocks
from cfc_geo.questions.disclosure.protect import Protected
from cfc_geo.questions.disclosure.relations import small_blocks
from cfc_geo.questions.disclosure.rules import SUPPRESSED, Rules
from cfc_geo.questions.disclosure.scores import protect_score_units, protect_scores
from cfc_geo.tables import SCORE_COLUMNS, SCORE_SAID, children_columns, circle_column
from cfc_geo.targets import load_targets
from tests.attacker import page_data, sheet_rows

RULES = Rules()
HOSTILE = "=HYPERLINK(1)<script>alert(1)</script>"


@pytest.fixture(scope="module")
def finished(result_folder: Path) -> Finished:
    """The sample with one 街道 and what lies in it, whose names are hostile, and with columns that nobody may see."""
    whole = read_result(result_folder)
    units = whole.units[whole.units["unit_id"].str.startswith("339901001")].reset_index(drop=True)
    units.loc[0, ["name", "parent_id"]] = [HOSTILE, ""]
    cells = whole.cells[whole.cells["unit_id"].isin(units["unit_id"])].reset_index(drop=True)
    facilities = whole.facilities[whole.facilities["unit_id"].isin(units["unit_id"])].reset_index(drop=True)
    facilities.loc[0, "name"] = HOSTILE
    return dataclasses.replace(
        whole,
        units=units.assign(phone="13800000000"),
        cells=cells.assign(child_name="Xiaoming"),
        facilities=facilities.assign(phone="13800000000"),
    )


@pytest.fixture(scope="module")
def protected(finished: Finished) -> Protected:
    return hand_out(finished, RULES)


def scores(*rows: tuple[str, float, float]) -> pd.DataFrame:
    """target_unit, measured, measured_most."""
    table = pd.DataFrame(rows, columns=["target_unit", "measured", "measured_most"])
    blank = {name: "" for name in (*SCORE_COLUMNS, *SCORE_SAID) if name not in table}
    flags = {"counted": True, "draft": True, "due_passed": False, "status": "met", "compare": "at_least"}
    flags |= {"counts_children": False}
    return table.assign(**{**blank, **flags, "target_value": 5.0, "year": 2030.0, "note": "internal", "plan_id": "p"})


def of_many(protected: Protected, children: float) -> Protected:
    """The whole place and every unit have so many in each band."""
    tables = {
        name: getattr(protected, name).assign(children=children, children_state="") for name in ("coverage", "circle")
    }
    return dataclasses.replace(protected, **tables)


@pytest.fixture(scope="module")
def folder(finished: Finished, protected: Protected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    write_shared(folder, finished, protected, "zh", scores=scores(("%", 83.3, 83.3), ("人", 7, 7)), approval_no="")
    return folder


# ------------------------------------------------------------------------------------------------------------- squares


def cells_of(children: dict[tuple[int, int], float], side: float = 250.0) -> gpd.GeoDataFrame:
    """Squares of a grid: column and row → children aged 0-2, all of whom have a complete circle in even columns."""
    at = np.array(list(children))
    shapes = shapely.box(at[:, 0] * side, at[:, 1] * side, (at[:, 0] + 1) * side, (at[:, 1] + 1) * side)
    table = gpd.GeoDataFrame({"unit_id": "A"}, index=range(len(at)), geometry=shapes, crs="EPSG:32650")
    table = table.assign(**dict.fromkeys(children_columns(), 0.0))
    circle = np.where(at[:, 0] % 2 == 0, "covered", "gap")
    return table.assign(**{children_columns()[0]: list(children.values()), circle_column("0-2"): circle})


def test_squares_merge_until_each_holds_enough() -> None:
    """Two rows of two squares of four: below left one cell is short of 10, above right all are empty but one."""
    cells = cells_of({(0, 0): 20, (1, 0): 3, (0, 1): 50, (2, 2): 40, (3, 3): 12, (5, 5): 11, (2, 0): 0})
    blocks = merge_cells(cells, ("0-2",), RULES)
    table = shown_blocks(blocks, set(), RULES).set_index("block_id")
    assert table["side_m"].to_dict() == {"0/2/2": 250, "0/3/3": 250, "0/5/5": 250, "1/0/0": 500}
    assert table.loc["1/0/0", ["children_from", "children_below"]].tolist() == [50, 100]
    assert shapely.get_coordinates(table.geometry["1/0/0"]).max(axis=0).tolist() == [500, 500]
    assert table.loc["0/3/3", ["complete_share_from", "complete_share_below"]].tolist() == [0, 0.25]
    assert table.loc["1/0/0", ["complete_share_from", "complete_share_below"]].tolist() == [0.75, 1]


def test_squares_are_shown_only_where_they_are_not_small() -> None:
    cells = cells_of({(column, row): (column * 7 + row * 3) % 13 for column in range(9) for row in range(9)}, side=100)
    blocks = merge_cells(cells, ("0-2",), RULES)
    children = blocks.fragments.groupby("block_id")["children"].sum()
    assert children.min() >= RULES.k and children.sum() == cells[children_columns()[0]].sum()
    assert blocks.squares["side_m"].min() >= 400
    far = merge_cells(cells_of({(0, 0): 40, (1, 0): 50, (40, 40): 3}), (), RULES)
    kept = {(key[0], key[2]) for key in small_blocks(far, RULES)}
    hidden = shown_blocks(far, kept, RULES).set_index("side_m")
    assert hidden.loc[1000, ["children_state", "complete_share_state"]].tolist() == [SUPPRESSED, SUPPRESSED]
    assert np.isnan(hidden.loc[1000, "children_from"]) and hidden.loc[250, "children_from"].tolist() == [25, 50]


# -------------------------------------------------------------------------------------------------------------- scores


def test_scores_tell_children_no_finer_than_tables_do(finished: Finished, protected: Protected) -> None:
    asked = scores(
        ("%", 83.3, 83.3), ("所", 3, 3), ("人", 7, 7), ("名", 12, 12), ("学位", -203, -203),
        ("个/千常住人口", 3.917, np.inf), ("‰", 4.1, 4.1), ("made up", 4, 4), ("%", np.nan, np.nan),
    )  # fmt: skip
    before = asked.copy()
    told = protect_scores(asked, of_many(protected, 5_000))
    assert told["measured"].tolist() == pytest.approx([83, 3, np.nan, 10, -205, 3.9, *[np.nan] * 3], nan_ok=True)
    assert told["measured_state"].tolist() == ["", "", SUPPRESSED, "", "", "", SUPPRESSED, SUPPRESSED, "unknown"]
    pd.testing.assert_frame_equal(asked, before)
    of_few = protect_scores(asked, protected)["measured_state"]
    assert of_few[0] == of_few[5] == SUPPRESSED and of_few[1] == ""


def test_neither_a_share_nor_its_verdict_pins_few_children(protected: Protected) -> None:
    """2 of 600 have it; 598 of 600 have it, and 99.9 % are asked for."""
    few = scores(("%", 100 * 2 / 600, 100 * 2 / 600), ("%", 100 * 598 / 600, 100 * 598 / 600))
    few = few.assign(counts_children="True", target_value=99.9, status="missed")
    for children in (600, 1_995):
        told = protect_scores(few, of_many(protected, children))
        assert (told["measured_state"] == SUPPRESSED).all() and (told["status"] == SUPPRESSED).all()
    told = protect_scores(few, of_many(protected, 2_005))
    assert told["measured"].tolist() == [0, 100]
    assert told["status"].tolist() == ["missed", SUPPRESSED]  # 0 % says it too; 100 % does not


@pytest.mark.parametrize(
    ("unit", "least", "most", "asked", "told"),
    [
        ("%", 83.3, 83.3, 82.4, True), ("%", 83.3, 83.3, 82.5, False), ("%", 83.3, 83.3, 83.5, False),
        ("%", 80, 95, 90, True), ("%", 80, 95, 95.4, False), ("%", 80, 95, 96, True),
        ("学位", -203, -203, 0, True), ("学位", -203, -203, -203, False), ("学位", 1, np.inf, 0, False),
        ("名/千名儿童", 3.917, 3.917, 3.94, False), ("名/千名儿童", 3.917, 3.917, 4, True),
        ("个", 3, 3, 5, False),
    ],
)  # fmt: skip
def test_a_status_is_told_where_the_shown_figure_says_it(
    protected: Protected, unit: str, least: float, most: float, asked: float, told: bool
) -> None:
    table = scores((unit, least, most)).assign(target_value=asked)
    many = of_many(protected, 5_000)
    assert protect_scores(table, many)["status"].tolist() == ["met"]
    of_children = protect_scores(table.assign(counts_children="True"), many)
    assert of_children["status"].tolist() == ["met" if told else SUPPRESSED]


def test_a_balance_is_kept_back_where_the_children_of_the_place_are(protected: Protected) -> None:
    table = scores(("学位", -203.0, -203.0), ("个", -203.0, -203.0)).assign(counts_children="True")
    many = of_many(protected, 5_000)
    assert protect_scores(table, many)["measured"].tolist() == [-205, -205]
    circle = many.circle.assign(children=np.nan, children_state=SUPPRESSED)
    told = protect_scores(table, dataclasses.replace(many, circle=circle))
    assert (told["measured_state"] == SUPPRESSED).all() and told["measured"].isna().all()
    assert (told["status"] == SUPPRESSED).all()


def test_of_a_unit_no_status_of_what_counts_children_is_told() -> None:
    asked = scores(("%", 95.0, 95.0), ("%", 95.0, 95.0), ("%", 95.0, 95.0)).assign(
        target_id=["90", "95", "rooms"], counts_children=["True", "True", "False"]
    )
    units = pd.DataFrame(
        {"plan_id": "p", "target_id": ["90", "95", "rooms"], "unit_id": "U", "measured": [92.0, 92.0, 40.0],
         "measured_most": [92.0, 92.0, 40.0], "status": ["met", "missed", "missed"], "shortfall": [np.nan, 3.0, 55.0]}
    )  # fmt: skip
    told = protect_score_units(units, asked)
    assert told["status"].tolist() == [SUPPRESSED, SUPPRESSED, "missed"]
    assert told[["measured", "measured_most", "shortfall"]].isna().all(axis=None)
    assert (told["measured_state"] == SUPPRESSED).all()


def test_which_targets_count_children_is_said_by_their_method() -> None:
    counting = [
        target for plan in map(load_targets, target_plans()) for target in plan.targets if target.counts_children
    ]
    methods = {(target.method.by, getattr(target.method, "per", "")) for target in counting if target.method}
    assert {by for by, _ in methods} == {"covered", "balance", "per_thousand"}
    assert ("per_thousand", "residents") not in methods


# ----------------------------------------------------------------------------------------------------------- languages


def test_targets_are_named_in_the_language_of_the_file() -> None:
    plan = load_targets("zhoucun")
    first, second = plan.targets[:2]
    saved = scores(("%", 1.0, 1.0), ("%", 1.0, 1.0), ("%", 1.0, 1.0)).assign(
        plan_id=["zhoucun", "zhoucun", "mine"], target_id=[first.id, second.id, first.id],
        target_name=[first.en, "My own", first.en], office="Office",
    )  # fmt: skip
    told = told_in(saved, "zh")
    assert told["target_name"].tolist() == [first.zh, "My own", first.en]
    assert told["plan_name"].tolist() == [plan.zh, plan.zh, "mine"]
    assert told["office"].tolist() == [first.offices[0] if first.offices else "未注明", "Office", "Office"]
    assert told_in(saved.assign(target_name=first.zh), "en")["target_name"].tolist() == [first.en, first.zh, first.zh]


# --------------------------------------------------------------------------------------------------------------- files


def test_files_hold_what_is_listed_and_nothing_else(folder: Path, protected: Protected) -> None:
    book = openpyxl.load_workbook(folder / WORKBOOK)
    widths = [(sheet.title, sheet.max_column) for sheet in book]
    assert widths == [
        ("说明", 3),
        ("覆盖", len(COVERAGE)),
        ("生活圈", len(CIRCLE)),
        ("目标", len(SCORES)),
        ("数据来源", len(SOURCES)),
    ]
    assert all(sheet.sheet_state == "visible" for sheet in book) and not book.defined_names
    assert not [
        cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f" or cell.comment
    ]
    page = page_data(folder / MAP)
    assert set(page["areas"][0]) == {"id", "name", "level", "at"}
    assert set(page["facilities"][0]) == {"at", "kind", "colour", "text"}
    assert set(page["blocks"][0]) == {"at", "children", "share", "text"}
    text = json.dumps(page) + str([row for number in range(5) for row in sheet_rows(folder / WORKBOOK, number)])
    assert not [secret for secret in ("13800000000", "Xiaoming", "internal", "origin_id") if secret in text]
    assert "<script>alert" not in (folder / MAP).read_text(encoding="utf-8")


def test_what_is_kept_back_is_neither_0_nor_blank(folder: Path, protected: Protected) -> None:
    rows = sheet_rows(folder / WORKBOOK, 1)
    for name in ("children", "covered", "gap", "unknown", "covered_share", "mean_walk_m"):
        told = [row[COVERAGE.index(name)] for row in rows]
        words = {SUPPRESSED: "※ 不公布", "unknown": "不清楚"}
        for at, (value, state) in enumerate(zip(told, protected.coverage[f"{name}_state"], strict=True)):
            assert value == words.get(state, value) and isinstance(value, str) == (state != ""), (name, at)
    counts = [row[COVERAGE.index(name)] for row in rows for name in ("children", "covered", "gap", "unknown")]
    assert all(
        count == 0 or (count >= RULES.k and count % RULES.base == 0) for count in counts if not isinstance(count, str)
    )
    assert SUPPRESSED in set(protected.coverage["covered_state"])
    of_targets = sheet_rows(folder / WORKBOOK, 3)
    assert [row[SCORES.index("found")] for row in of_targets] == ["※ 不公布"] * 2
    assert "征求意见稿" in of_targets[0][SCORES.index("verdict")]


def test_the_same_result_gives_the_same_files(finished: Finished, folder: Path, tmp_path: Path) -> None:
    write_shared(tmp_path, finished, hand_out(finished, RULES), "zh", scores=scores(("%", 83.3, 83.3), ("人", 7, 7)))
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in (WORKBOOK, MAP))
    english = draw_shared(finished, hand_out(finished, RULES), "en", approval_no="GS(2026)1")
    assert "Map approval number" in english and "GS(2026)1" in english


@pytest.fixture(scope="module")
def shown(folder: Path, browser: Any) -> Iterator[Any]:
    """The page, open in a browser without a network."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda fault: page.faults.append(str(fault)))
    page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
    page.goto((folder / MAP).as_uri())
    page.wait_for_selector("html.ready", state="attached")
    yield page
    context.close()


def test_the_map_shows_what_is_kept_back_as_such(shown: Any, folder: Path) -> None:
    page = page_data(folder / MAP)
    level = shown.input_value("#level")
    units = [unit["id"] for unit in page["areas"] if unit["level"] == level]
    kept = {
        (measure, band): sum(by_unit[unit][4] == "kept" for unit in units)
        for measure, by_band in page["figures"].items()
        for band, by_unit in by_band.items()
    }
    (measure, band), count = max(kept.items(), key=lambda one: one[1])
    shown.select_option("#measure", measure)
    shown.select_option("#band", band)
    assert shown.locator('path[fill="url(#hatch)"]').count() == count > 0
    shown.select_option("#measure", "park")
    shown.check("#with-blocks")
    assert shown.locator(".leaflet-blocks-pane path").count() == len(page["blocks"]) > 0
    assert shown.inner_text("#review") == "未经地图审核，公开前须送审"
    names = shown.locator("#place").inner_text()
    assert names and not shown.faults
