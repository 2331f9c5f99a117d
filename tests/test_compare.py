"""`cfc-geo compare`: results read back or refused, the tables by hand and by algebra, the sentences, the page."""

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from cfc_geo import catalog
from cfc_geo.cli import main
from cfc_geo.errors import DataError
from cfc_geo.inputs.comparable import check_comparable
from cfc_geo.inputs.results import read_result
from cfc_geo.model import Comparison, Cost, Finished
from cfc_geo.outputs.comparison import folder_name
from cfc_geo.outputs.comparison_map import draw_comparison
from cfc_geo.outputs.folder import check_comparison_folder
from cfc_geo.outputs.sentences import count, sentences, sentences_markdown, sentences_page, share
from cfc_geo.questions.compare import compare
from cfc_geo.tables import ALL_BANDS, ALL_UNITS, CIRCLE, STATUSES
from tests.results import HOSTILE
from tests.test_html import PHONE, WIDE, Page, show
from tests.toyplan import PLAN, facility_rows, lonlat, write_csv, write_toy

assert show  # a fixture

CLASSES = ["arrived", "gaining", "losing", "unchanged", "unknown_changed"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`before` and `after`, run into `out`: a kindergarten for cell e is added, the school moves west to (100, 0)."""
    folder = tmp_path_factory.mktemp("town")
    write_toy(folder)
    (folder / "toy.toml").rename(folder / "before.toml")
    rows = [row for row in facility_rows() if row[0] != "S"]
    rows += [["S", "小学S", "小学", *lonlat(100, 0), 90], ["K2", "幼儿园K2", "幼儿园", *lonlat(1100, 0), 2]]
    write_csv(folder / "data/moved.csv", rows)
    (folder / "after.toml").write_text(PLAN.replace("data/facilities.csv", "data/moved.csv"), encoding="utf-8")
    assert main(["run", str(folder / "before.toml"), str(folder / "after.toml"), "--out", str(folder / "out")]) == 0
    return folder


@pytest.fixture(scope="module")
def before(town: Path) -> Finished:
    return read_result(town / "out/before")


@pytest.fixture(scope="module")
def after(town: Path) -> Finished:
    return read_result(town / "out/after")


@pytest.fixture(scope="module")
def written(town: Path) -> Path:
    assert main(["compare", str(town / "out/before"), str(town / "out/after"), "--out", str(town / "c")]) == 0
    return town / "c/before--after"


def row_of(table: pd.DataFrame, unit: str, **where: str) -> pd.Series:
    chosen = table[table["unit_id"] == unit]
    for name, value in where.items():
        chosen = chosen[chosen[name] == value]
    (_, row), *more = chosen.iterrows()
    assert not more
    return row


# ------------------------------------------------------------------------------------------------------- by hand


def test_gains_and_losses_of_the_town_by_hand(before: Finished, after: Finished) -> None:
    """Cells a … f hold 1, 2, 4, 8, 16, 32 children of every band; a kindergarten serves within 300 m, a school 500 m.

    K2 at 1100 reaches e (16): 100 + 10. The school at 800 reached c (410), d (110) and e (410) and not b (610); at 100
    it reaches a (110), b (110), c (310), and neither d (610) nor e. f is 690 or 590 m off, a 710 before.
    """
    compared = compare(before, (after,))
    kindergarten = row_of(compared.changes, ALL_UNITS, kind="kindergarten", band="3-5")
    assert kindergarten[CLASSES].to_list() == [0, 16, 0, 47, 0]
    assert kindergarten[["still_covered", "still_gap"]].to_list() == [1 + 2, 4 + 8 + 32]
    school = row_of(compared.changes, ALL_UNITS, kind="primary_school", band="6-11")
    assert school[CLASSES].to_list() == [0, 1 + 2, 8 + 16, 4 + 32, 0]
    east = row_of(compared.changes, "02", kind="primary_school", band="6-11")
    assert east[["gaining", "losing", "still_covered"]].to_list() == [0, 24, 0]
    whole = row_of(compared.units, ALL_UNITS, band=ALL_BANDS)
    assert whole[["gaining_any", "losing_any", "gaining_and_losing"]].to_list() == [16 + 3, 24, 0]
    site = compared.facilities.set_index("facility_id")
    assert site["state"].to_dict() == {"K2": "added", "S": "moved", "G": "same", "K": "same", "P": "same"}


def test_walks_of_the_town_by_hand(before: Finished, after: Finished) -> None:
    """The kindergarten K at 100 is 610 m from d, and K2 410 m; the horizon lies beyond both."""
    row = row_of(compare(before, (after,)).changes, "02", kind="kindergarten", band="3-5")
    was, now = (table.set_index("origin_id").loc["d", "kindergarten_m"] for table in (before.cells, after.cells))
    assert (was, now) == pytest.approx((610, 410), abs=0.01)
    assert row["children_walks_known"] >= 8 and row["best_change_m"] <= -200 + 0.01
    school = compare(before, (after,)).changes
    west = row_of(school, "01", kind="primary_school", band="6-11")
    # to the school: a 810 → 110, b 610 → 110, c 410 → 310, f 690 → 590
    weights = np.array([1, 2, 4, 32.0])
    assert west["mean_change_m"] == pytest.approx((weights * [-700, -500, -100, -100]).sum() / 39, abs=0.02)
    assert west["children_nearer"] == 39 and west["children_farther"] == 0
    speed = before.rules.speeds_ms["6-11"]
    assert west["mean_change_min"] == pytest.approx(west["mean_change_m"] / speed / 60)


def test_before_and_after_are_the_figures_of_the_results(town: Path, before: Finished, after: Finished) -> None:
    changes = compare(before, (after,)).changes
    for side in ("before", "after"):
        stated = pd.read_csv(town / f"out/{side}/coverage.csv", dtype={"unit_id": str})
        ours = changes[changes["kind"] != CIRCLE].merge(stated, on=["unit_id", "kind", "band"], suffixes=("_ours", ""))
        assert len(ours) == len(stated)
        for status in STATUSES:
            np.testing.assert_allclose(ours[f"{status}_{side}"], ours[status], atol=5e-4)
        np.testing.assert_allclose(ours[f"covered_share_{side}"], ours["covered_share"], atol=5e-5)


# ------------------------------------------------------------------------------------------------------- algebra


@st.composite
def answers(draw: Callable, base: Finished) -> Finished:
    """`base` with other answers: any status of any cell, any walk or none."""
    cells = base.cells.copy()
    for kind in base.rules.limits:
        cells[f"{kind}_status"] = draw(st.lists(st.sampled_from(STATUSES), min_size=len(cells), max_size=len(cells)))
        walks = st.floats(0, 2000) | st.just(float("nan"))
        cells[f"{kind}_m"] = draw(st.lists(walks, min_size=len(cells), max_size=len(cells)))
    return replace(base, cells=cells, name=draw(st.sampled_from(["x", "y"])))


@settings(max_examples=10)
@given(st.data())
def test_every_child_is_in_one_class_and_the_reverse_mirrors(before: Finished, data: st.DataObject) -> None:
    few = {kind: before.rules.limits[kind] for kind in ("kindergarten", "primary_school", "park")}
    base = replace(before, rules=replace(before.rules, limits=few))
    one, two = data.draw(answers(base)), replace(data.draw(answers(base)), name="z")
    there, back = compare(one, (two,)), compare(two, (one,))
    for table, classes in (
        (there.changes, CLASSES),
        (there.units, ["arrived", "only_gaining", "only_losing", "gaining_and_losing", "neither"]),
    ):
        np.testing.assert_allclose(table[classes].sum(axis=1), table["children"])
    keys = ["unit_id", "kind", "band"]
    there_rows, back_rows = (one.changes.set_index(keys).sort_index() for one in (there, back))
    for name, mirrored in (
        ("gaining", "losing"),
        ("gaining_unknown", "losing_unknown"),
        ("children_nearer", "children_farther"),
    ):
        np.testing.assert_allclose(there_rows[name], back_rows[mirrored])
    for name in ("unchanged", "unknown_changed", "still_covered", "still_gap", "children_walks_known"):
        np.testing.assert_allclose(there_rows[name], back_rows[name])
    np.testing.assert_allclose(there_rows["mean_change_m"], -back_rows["mean_change_m"], atol=1e-9)
    np.testing.assert_allclose(there_rows["best_change_m"], -back_rows["worst_change_m"], atol=1e-9)
    leaves = there.units[(there.units["band"] == ALL_BANDS) & there.units["unit_id"].isin(["01", "02"])]
    assert leaves["gaining_any"].sum() == pytest.approx(row_of(there.units, ALL_UNITS, band=ALL_BANDS)["gaining_any"])


def test_nothing_changes_from_a_result_to_itself(before: Finished) -> None:
    same = compare(before, (replace(before, name="same"),))
    changed = ["gaining", "losing", "unknown_changed", "arrived", "children_nearer", "children_farther"]
    assert (same.changes[changed].fillna(0) == 0).all(axis=None)
    assert (same.changes[["mean_change_m", "best_change_m", "worst_change_m"]].fillna(0) == 0).all(axis=None)
    assert set(same.facilities["state"]) == {"same"} and set(same.facilities["crowded"]) == {""}
    said = {one.text for one in sentences(same, "en")}
    assert any(text.startswith("No child gains") for text in said) and any("No child loses" in text for text in said)


def test_the_worst_off_come_first(before: Finished, after: Finished) -> None:
    for _, rows in compare(before, (after,)).changes.groupby(["kind", "band"], sort=False):
        assert rows["unit_id"].iloc[0] == ALL_UNITS
        shares = rows["covered_share_before"].iloc[1:].fillna(2).to_numpy()
        assert (np.diff(shares) >= 0).all()


# --------------------------------------------------------------------------------------- children, costs, crowding


def test_children_of_a_new_estate_arrive_and_do_not_gain(before: Finished) -> None:
    grown = before.cells.copy()
    grown["children_3_5"] *= 2
    estate = grown.iloc[[0]].assign(origin_id="estate", geometry=shapely.Point(500_000, 3_100_000))
    other = replace(before, name="grown", edited=True, cells=gpd.GeoDataFrame(pd.concat([grown, estate])))
    check_comparable(before, (other,))
    row = row_of(compare(before, (other,)).changes, ALL_UNITS, kind="kindergarten", band="3-5")
    assert row[["children_before", "children", "arrived", "gaining", "losing"]].to_list() == [63, 128, 2, 0, 0]
    assert row["unchanged"] == 126
    texts = " ".join(one.text for one in sentences(compare(before, (other,)), "en"))
    assert "none of them counts as gaining" in texts and "There were 315 children before" in texts


def test_an_estate_on_another_plot_is_not_the_same_estate(before: Finished) -> None:
    plots = [
        before.cells.iloc[[0]].assign(origin_id="estate", geometry=shapely.Point(x, 3_100_000))
        for x in (500_000, 500_300)
    ]
    grown = tuple(
        replace(before, name=name, edited=True, cells=gpd.GeoDataFrame(pd.concat([before.cells, plot])))
        for name, plot in zip(("west", "east"), plots, strict=True)
    )
    for first, others in ((grown[0], grown[1:]), (before, grown)):
        with pytest.raises(DataError) as raised:
            check_comparable(first, others)
        assert codes(raised.value) == ["compare.cells_elsewhere"] and "estate" in str(raised.value)


def test_a_site_that_loses_its_last_place_is_crowded(before: Finished) -> None:
    table = before.facilities
    gone = table.assign(
        capacity=table["capacity"].mask(table["facility_id"] == "K", 0.0),
        crowding=table["crowding"].mask(table["facility_id"] == "K"),
        overflow_children=table["overflow_children"].mask(table["facility_id"] == "K", 16.0),
        assigned_children=table["assigned_children"].mask(table["facility_id"] == "K", 16.0),
    )
    full = before.facilities.assign(crowding=table["crowding"].mask(table["facility_id"] == "K", 0.5))
    other = replace(before, name="gone", facilities=gone)
    compared = compare(replace(before, facilities=full), (other,))
    assert compared.facilities.set_index("facility_id")["crowded"]["K"] == "newly"
    assert compared.summary["newly_crowded"].iloc[0] == 1
    texts = [one.text for one in sentences(compared, "zh") if one.part == "crowding"]
    assert any("16 名儿童，容量 0" in text for text in texts)
    back = compare(other, (replace(before, name="back", facilities=full),))
    assert back.facilities.set_index("facility_id")["crowded"]["K"] == "relieved"


@pytest.mark.parametrize("count", [2, 4])
def test_folders_of_long_names_are_short_and_each_its_own(count: int) -> None:
    names = [f"{'情景' * 33}{number}" for number in range(count)]
    name = folder_name(names)
    assert name != folder_name(names[::-1]) and len(name.encode()) <= 200
    assert name.startswith("情景情景") and check_comparison_folder(name, Path("out")) == Path("out") / name
    assert folder_name(["a", "b", "c"]) == "a--b--c"


@pytest.mark.parametrize(
    ("base", "scenario", "expected"),
    [
        (Cost(), Cost(190.0, "万元"), (190.0, "all", 10.0)),
        (Cost(), Cost(190.0, "万元", partly=True), (190.0, "partly", 10.0)),
        (Cost(), Cost(np.nan, "万元"), (np.nan, "none", np.nan)),
        (Cost(), Cost(), (np.nan, "none", np.nan)),
        (Cost(0.0, "万元"), Cost(19.0, "万元"), (19.0, "all", 1.0)),
        (Cost(100.0, "万元"), Cost(19.0, "万元"), (-81.0, "all", np.nan)),
        (Cost(100.0, "万元"), Cost(19.0, "万元", partly=True), (np.nan, "none", np.nan)),
        (Cost(), Cost(0.0, "万元", partly=True), (np.nan, "none", np.nan)),
        (Cost(100.0, "EUR"), Cost(190.0, "万元"), (np.nan, "none", np.nan)),
        (Cost(100.0, "万元", partly=True), Cost(190.0, "万元"), (np.nan, "none", np.nan)),
    ],
)
def test_costs(before: Finished, after: Finished, base: Cost, scenario: Cost, expected: tuple) -> None:
    compared = compare(replace(before, cost=base), (replace(after, cost=scenario),))
    row = compared.summary.iloc[0]
    got = (row["cost_extra"], row["cost_is"], row["cost_per_child"])
    assert [value == value for value in got] == [value == value for value in expected]
    assert [value for value in got if value == value] == [value for value in expected if value == value]
    none = compare(replace(before, cost=base), (replace(before, name="same", cost=scenario),)).summary.iloc[0]
    assert np.isnan(none["cost_per_child"])


def test_sites_that_overflow(before: Finished, after: Finished) -> None:
    def with_crowding(result: Finished, of: dict[str, float]) -> Finished:
        table = result.facilities
        crowding = table["facility_id"].map(of)
        return replace(
            result, facilities=table.assign(crowding=crowding, assigned_children=crowding * table["capacity"])
        )

    one = with_crowding(before, {"K": 1.2, "S": 1.0, "G": 1.5})
    two = with_crowding(after, {"K": 1.0, "S": 1.01, "K2": 8.0})
    compared = compare(one, (two,))
    site = compared.facilities.set_index("facility_id")["crowded"].to_dict()
    assert site == {"K": "relieved", "S": "newly", "K2": "newly", "G": "", "P": ""}
    assert compared.summary[["newly_crowded", "relieved"]].iloc[0].to_list() == [2, 1]
    assert list(compared.facilities["crowded"])[:3] == ["newly", "newly", "relieved"]
    texts = [one.text for one in sentences(compared, "zh") if one.part == "crowding"]
    assert "幼儿园K2（幼儿园）将超员：就近的有 16 名儿童，容量 2。" in texts
    bare = with_crowding(before, {}), with_crowding(after, {})
    unmeasured = [one.text for one in sentences(compare(bare[0], (bare[1],)), "en") if one.part == "crowding"]
    assert "nobody knows" in unmeasured[0]


# ------------------------------------------------------------------------------------------------------ sentences


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (0.001, "fewer than 0.1"), (0.05, "0.1"), (0.94, "0.9"), (1.0, "1"), (9.94, "9.9"), (9.96, "10"),
     (10.4, "10"), (1234.5, "1,234"), (2.0000001, "2")],
)  # fmt: skip
def test_counts_are_rounded_plainly_and_small_ones_are_not_0(value: float, said: str) -> None:
    assert count(value, "en") == said


def test_shares_are_0_and_100_only_where_they_are() -> None:
    assert [share(value) for value in (0.0, 0.0001, 0.5, 0.9999, 1.0, float("nan"))] == [
        "0%", "<0.1%", "50.0%", ">99.9%", "100%", "–"
    ]  # fmt: skip


def test_the_numbers_of_the_sentences_are_those_of_the_tables(written: Path) -> None:
    def rows(name: str) -> list[dict[str, str]]:
        with (written / name).open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))

    changes = [row for row in rows("compare.csv") if row["unit_id"] == "all"]
    (whole,) = (row for row in rows("compare_units.csv") if row["unit_id"] == "all" and row["band"] == "all")
    text = (written / "sentences.md").read_text(encoding="utf-8")
    said = f"在 {whole['children']} 名儿童中，{whole['gaining_any']} 名儿童至少有一类设施由走不到"
    assert said in text and f"{whole['losing_any']} 名儿童至少有一类设施由走得到" in text
    for row in changes:
        name = catalog.kind_name(row["kind"], "zh")
        for figure, words in (("gaining", "新走得到"), ("losing", "不再走得到")):
            found = re.search(rf"^- {name}{words}：(.*)。$", text, flags=re.MULTILINE)
            told = f"{row['band']}岁 {row[figure]} 名儿童"
            if row["kind"] != CIRCLE and float(row[figure]) > 0:
                assert found and told in found[1]
            else:
                assert found is None or told not in found[1]
    units = [row for row in rows("compare_units.csv") if row["band"] == "all" and row["unit_id"] in ("01", "02")]
    worst = min(units, key=lambda row: float(row["met_share_before"]))
    assert f"变化前条件最差的是{worst['unit_name']}" in text
    assert f"{float(worst['met_share_before']):.1%}" in text and f"{float(worst['met_share_after']):.1%}" in text
    gained = [row for row in units if float(row["gaining_any"]) > 0]
    lines = re.findall(r"^- (\S+)：(\S+) 名儿童受益。$", text, flags=re.MULTILINE)
    assert lines == [(row["unit_name"], row["gaining_any"]) for row in gained], "worst-off first, as the table"


def test_hostile_names_stay_text(before: Finished, after: Finished) -> None:
    units = before.units.assign(name=[HOSTILE[0], "[link](http://x)\n# head", "=1+1"])
    sites = after.facilities.assign(name=HOSTILE[5], crowding=2.0, assigned_children=9.0)
    one = replace(before, units=units, facilities=before.facilities.assign(crowding=0.5), name="a")
    compared = compare(one, (replace(after, units=units, facilities=sites, name="b"),))
    page = Page(sentences_page(compared, "zh"))
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "h3", "ul", "li"
    }  # fmt: skip
    digest = hashlib.sha256(page.texts["style"][0].encode()).digest()
    assert f"'sha256-{__import__('base64').b64encode(digest).decode()}'" in page.policy
    markdown = sentences_markdown(compared)
    assert "<svg" not in markdown.replace("\\<svg", "") and "\n# head" not in markdown
    drawn = draw_comparison(compared, "zh")
    assert "onload=alert" not in drawn.replace(re.search(r'id="cfc-data">(.*?)</script>', drawn, re.DOTALL)[1], "")  # type: ignore[index]


# ---------------------------------------------------------------------------------------------------------- refusals


def codes(error: DataError) -> list[str]:
    return [finding.code for finding in error.findings]


def test_results_by_other_rules_are_refused_with_what_differs(before: Finished, after: Finished) -> None:
    norm = replace(before.rules.limits["kindergarten"], limit_m=400.0)
    for change, words in (
        ({"limits": before.rules.limits | {"kindergarten": norm}}, "kindergarten: 300 m / 400 m"),
        ({"horizon_m": 2000.0}, "horizon_m"),
        ({"units_sha256": "0" * 64}, "units"),
        ({"speeds_ms": before.rules.speeds_ms | {"3-5": 2.0}}, "3-5: "),
        ({"baskets": {"3-5": ("park",)}}, "baskets"),
        ({"snap_limit_m": 3.0}, "snap_limit_m"),
        ({"crs": "EPSG:4548"}, "crs"),
        ({"program": "0.0.1"}, "program"),
        ({"unknown_bands": frozenset({"0-2"})}, "unknown_bands"),
    ):
        with pytest.raises(DataError) as raised:
            check_comparable(before, (after, replace(after, rules=replace(after.rules, **change))))
        (finding,) = raised.value.findings
        assert finding.code == "compare.rules_differ" and words in finding.text("en")


def test_another_population_is_refused(before: Finished, after: Finished) -> None:
    with pytest.raises(DataError) as raised:
        check_comparable(before, (replace(after, rules=replace(after.rules, population=("0" * 64,))),))
    assert codes(raised.value) == ["compare.population_differs"]
    moved = after.cells.assign(children_3_5=after.cells["children_3_5"] + 1)
    with pytest.raises(DataError) as raised:
        check_comparable(before, (replace(after, cells=moved),))
    assert codes(raised.value) == ["compare.cells_differ"]
    check_comparable(before, (replace(after, cells=moved, edited=True),))


def test_kinds_that_only_one_asks_about_are_left_out_and_named(before: Finished, after: Finished) -> None:
    limits = {kind: norm for kind, norm in after.rules.limits.items() if kind != "park"}
    compared = compare(before, (replace(after, rules=replace(after.rules, limits=limits)),))
    assert compared.kinds_apart == ("park",) and "park" not in set(compared.changes["kind"])
    assert any("公园" in one.text for one in sentences(compared, "zh") if one.part == "unknown")


@pytest.fixture
def copy(town: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(town / "out/after", tmp_path / "after"))


def change_record(folder: Path, change: Callable[[dict], None]) -> None:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    change(record)
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def refused(folder: Path) -> list[str]:
    with pytest.raises(DataError) as raised:
        read_result(folder)
    for finding in raised.value.findings:
        assert finding.text("zh") and finding.text("en")
    return codes(raised.value)


def test_a_folder_that_was_changed_is_refused_with_what_changed(copy: Path) -> None:
    with (copy / "coverage.csv").open("a") as stream:
        stream.write("\n")
    (copy / "map.html").unlink()
    with pytest.raises(DataError) as raised:
        read_result(copy)
    (finding,) = raised.value.findings
    assert finding.code == "compare.changed" and finding.values["files"] == ["coverage.csv", "map.html"]


def test_what_is_no_result_is_refused(copy: Path, tmp_path: Path, written: Path) -> None:
    assert refused(tmp_path) == ["compare.no_result"]
    assert refused(written) == ["compare.is_comparison"]
    for text in ("", "[]", "{}", "{" * 100_000, '{"program": "other"}', '{"program": NaN}', "\x00"):
        (copy / "run.json").write_text(text)
        assert refused(copy) == ["compare.no_result"], text[:20]
    (copy / "run.json").write_bytes(b"\xff\xfe\x00")
    assert refused(copy) == ["compare.no_result"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda record: record["settings"].pop("horizon_m"), "compare.record"),
        (lambda record: record["settings"].update(crs="/etc/passwd"), "compare.record"),
        (lambda record: record["settings"]["norms"]["limits"][0].update(kind="zoo"), "compare.record"),
        (lambda record: record["settings"]["norms"]["limits"][0].update(limit_m=-1), "compare.record"),
        (lambda record: record["files"][0].update(file="../after/cells.parquet"), "compare.record"),
        (lambda record: record.update(files=[]), "compare.changed"),
        (lambda record: record["settings"].update(crs="EPSG:4548"), "compare.table"),
        (lambda record: record["settings"]["circle"]["baskets"].clear(), None),
    ],
)
def test_a_record_is_not_believed(copy: Path, change: Callable[[dict], None], code: str | None) -> None:
    change_record(copy, change)
    if code is None:
        read_result(copy)
    else:
        assert set(refused(copy)) == {code}


@pytest.mark.parametrize(
    ("column", "value"), [("origin_id", "a"), ("unit_id", "nowhere"), ("children_3_5", -1.0), ("park_status", "fine")]
)
def test_cells_that_cannot_be_are_refused_whatever_their_hash(copy: Path, column: str, value: object) -> None:
    cells = gpd.read_parquet(copy / "cells.parquet")
    cells[column] = cells[column].astype(object) if isinstance(value, str) else cells[column]
    cells[column] = value
    cells.to_parquet(copy / "cells.parquet")
    digest = hashlib.sha256((copy / "cells.parquet").read_bytes()).hexdigest()

    def rehash(record: dict) -> None:
        (row,) = (row for row in record["files"] if row["file"] == "cells.parquet")
        row["sha256"] = digest

    change_record(copy, rehash)
    assert refused(copy) == ["compare.table"]


def test_a_link_to_elsewhere_is_refused(copy: Path, town: Path) -> None:
    (copy / "cells.parquet").unlink()
    (copy / "cells.parquet").symlink_to(town / "out/after/cells.parquet")
    assert refused(copy) == ["compare.changed"]


# ------------------------------------------------------------------------------------------------------ command line


def test_plans_are_run_first_and_three_are_ranked(town: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    same = town / "same.toml"
    same.write_text(PLAN, encoding="utf-8")
    arguments = ["compare", str(town / "out/before"), str(same), str(town / "out/after"), "--out", str(tmp_path / "o")]
    assert main([*arguments, "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert "No. 1 is after: gains for 19 children, losses for 24 children." in said and "same: No child gains" in said
    folder = tmp_path / "o/before--same--after"
    with (folder / "compare_summary.csv").open(encoding="utf-8-sig") as stream:
        ranked = list(csv.DictReader(stream))
    assert [row["after"] for row in ranked] == ["after", "same"] and (tmp_path / "o/same/run.json").is_file()
    names = {"compare.csv", "compare_units.csv", "compare_facilities.csv", "compare_summary.csv", "compare.xlsx"}
    names |= {"sentences.md", "sentences.html", "map.html", "run.json"}
    assert {path.name for path in folder.iterdir()} == names
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert {row["file"] for row in record["files"]} == names - {"run.json"}
    digest = hashlib.sha256((town / "out/before/run.json").read_bytes()).hexdigest()
    assert record["comparison"]["before"] == {"folder": "before", "plan": "玩具镇", "run_sha256": digest}


def test_the_same_comparison_gives_the_same_bytes(town: Path, written: Path, tmp_path: Path) -> None:
    assert main(["compare", str(town / "out/before"), str(town / "out/after"), "--out", str(tmp_path)]) == 0
    for path in (tmp_path / "before--after").iterdir():
        assert path.read_bytes() == (written / path.name).read_bytes(), path.name


def test_wrong_usage_and_unsafe_folders(town: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one, two = str(town / "out/before"), str(town / "out/after")
    assert main(["compare", one]) == 2
    assert main(["compare", one, str(town / "before.toml")]) == 2
    assert main(["compare", one, str(tmp_path / "none.toml")]) == 1
    held = tmp_path / "before--after"
    held.mkdir()
    (held / "mine.txt").write_text("mine")
    assert main(["compare", one, two, "--out", str(tmp_path)]) == 1
    assert [path.name for path in held.iterdir()] == ["mine.txt"]
    shutil.rmtree(held)
    shutil.copytree(town / "out/before", held)
    assert main(["compare", one, two, "--out", str(tmp_path)]) == 1, "a result is not replaced by a comparison"
    assert (held / "cells.parquet").is_file()
    capsys.readouterr()
    for lang in ("zh", "en"):
        assert main(["compare", "--help", "--lang", lang]) == 0
        assert catalog.word("cli.compare.help", lang)[:20] in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_the_workbook_opens_and_holds_every_row(written: Path) -> None:
    book = load_workbook(written / "compare.xlsx")
    assert len(book.sheetnames) == 6
    for sheet, name in zip(book.sheetnames[1:5], ("summary", "units", "", "facilities"), strict=True):
        file = f"compare_{name}.csv" if name else "compare.csv"
        with (written / file).open(encoding="utf-8-sig", newline="") as stream:
            assert book[sheet].max_row == len(list(csv.reader(stream)))
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


# ------------------------------------------------------------------------------------------------------------- the map


@pytest.fixture(scope="module")
def compared(before: Finished, after: Finished) -> Comparison:
    return compare(before, (after,))


@pytest.mark.parametrize("viewport", [WIDE, PHONE])
def test_the_map_shows_before_after_and_difference(compared: Comparison, show: Callable, viewport: dict) -> None:
    page, seen = show(draw_comparison(compared, "zh"), viewport)
    choose = """([id, value]) => {
        const picker = document.getElementById(id);
        picker.value = value;
        picker.dispatchEvent(new Event('change'));
    }"""
    page.evaluate(choose, ["cfc-kind", "primary_school"])
    assert page.evaluate("cfcMap.view()") == "变化：before → after"
    figures = page.evaluate("cfcMap.figures()")
    row = row_of(compared.changes, ALL_UNITS, kind="primary_school", band="6-11")
    assert [figures[name] for name in ("gaining", "losing", "kept", "lacking", "unclear")] == [3, 24, 4, 32, 0]
    shown = page.locator("#cfc-figures").inner_text()
    assert "3 人" in shown and "24 人" in shown and "受损" in shown
    assert page.locator("#cfc-share b").inner_text() == "+3 / −24"
    assert page.locator(".key.mark-2").count() == page.locator(".key.mark-3").count() == 1, "the school moves"
    for view, side in ((0, "before"), (1, "after")):
        page.evaluate(choose, ["cfc-view", str(view)])
        figures = page.evaluate("cfcMap.figures()")
        assert [figures[status] for status in STATUSES] == [row[f"{status}_{side}"] for status in STATUSES]
        assert page.locator(".key.mark").count() == 0
    page.evaluate(choose, ["cfc-view", "2"])
    page.evaluate(choose, ["cfc-kind", "circle"])
    assert "受益：变为齐全" in page.locator("#cfc-figures").inner_text()
    assert seen.errors == [] and seen.requests == [seen.file.as_uri()]
