"""The map of `cfc-geo streets` in a browser: offline, without a fault, hostile names as text, figures of corridors."""

import itertools
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest

from cfc_geo.blocks import StreetsForChildren
from cfc_geo.model import ChildStreets, Study
from cfc_geo.outputs.drawn import page_words
from cfc_geo.outputs.remedy_words import counted_in_words
from cfc_geo.outputs.streets_map import FLOW_CLASSES, _flows, _hazards, draw_streets
from cfc_geo.plan import Plan, load_plan
from cfc_geo.run import find_streets
from tests.towns import CRS

ROOT = Path(__file__).parents[1]
MIDDLE = """(number) => {
  const line = JSON.parse(document.getElementById("cfc-data").textContent).flows.rows[number][3][0];
  const map = window.cfcStreets.map, middle = [0, 1].map((axis) => (line[0][axis] + line[1][axis]) / 2);
  map.setView(middle, 18);
  const at = map.latLngToContainerPoint(middle);
  return [at.x, at.y];
}"""
"""Looks at the middle of a street's first stretch, and tells where that is on the page."""
HOSTILE = "<img src=x onerror=\"document.title='hit'\"></script><script>document.title='hit'</script>&路"


@pytest.fixture(scope="module")
def answer() -> tuple[Plan, Study, ChildStreets]:
    plan = load_plan(ROOT / "scenarios" / "base.toml")
    study, found, _ = find_streets(plan, StreetsForChildren(measure=0, corridors=3, new_links=1))
    found.corridors.loc[0, "name"] = HOSTILE
    found.links.loc[0, "barrier_name"] = HOSTILE
    found.streets["name"] = HOSTILE
    return plan, study, found


@pytest.mark.parametrize("lang, width, height", [("zh", 1280, 800), ("en", 390, 844)])
def test_the_map_shows_corridors_links_and_figures(
    answer: tuple[Plan, Study, ChildStreets], browser: Any, tmp_path: Path, lang: str, width: int, height: int
) -> None:
    plan, study, found = answer
    (tmp_path / "map.html").write_text(draw_streets(plan, study, found, ["7,947 walk"], lang), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": height})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "map.html").as_uri())
    page.wait_for_selector("html.ready")
    assert page.evaluate("window.cfcStreets.corridors") == len(found.corridors) == 3
    assert page.evaluate("window.cfcStreets.links") == 1
    assert "7,947 walk" in page.inner_text("#headline") and page.is_visible("#stress")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    x, y = page.evaluate(MIDDLE, page.evaluate("window.cfcStreets.streets") - 1)
    page.mouse.move(x - 1, y)
    page.mouse.move(x, y)
    assert page.inner_text(".card p:first-child") == HOSTILE and page.locator(".card p").count() >= 3
    page.click("#whole")
    if width < 720:
        page.click("#fold")
    page.click("#corridors button:nth-child(2)")
    figures = page.inner_text("#figures")
    row = found.corridors.iloc[1]
    assert counted_in_words(row["remedies"], lang) in figures and f"{row['children_on_it']:,.0f}" in figures
    assert page.locator("#corridors button:nth-child(2) + #figures").count() == 1, "below the one that was chosen"
    page.click("#corridors button:nth-child(2)")
    assert page.inner_text("#figures").strip() == "" or not page.is_visible("#figures")
    assert HOSTILE in page.inner_text("#corridors") and HOSTILE in page.inner_text("#links")
    assert page.title() != "hit" and said == []
    assert len(asked) == 1 and asked[0].startswith("file:"), "it asks nobody for anything"
    page.close()


def test_the_same_answer_is_the_same_page(answer: tuple[Plan, Study, ChildStreets]) -> None:
    assert draw_streets(*answer, [], "zh") == draw_streets(*answer, [], "zh")


def test_paper_holds_the_map_with_its_review_and_then_the_panel(
    answer: tuple[Plan, Study, ChildStreets], browser: Any, tmp_path: Path
) -> None:
    (tmp_path / "map.html").write_text(draw_streets(*answer, [], "zh"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((tmp_path / "map.html").as_uri())
    page.wait_for_selector("html.ready")
    page.emulate_media(media="print")
    tops = [page.locator(name).bounding_box() for name in ("#map", "#foot", "#panel")]
    assert all(upper["y"] + upper["height"] <= lower["y"] for upper, lower in itertools.pairwise(tops))
    page.close()


def test_a_junction_has_one_mark_whatever_the_arms(answer: tuple[Plan, Study, ChildStreets]) -> None:
    _, _, found = answer
    marks = _hazards(found.ranked, page_words("corridors", "en"), "en")
    hard = found.ranked[(found.ranked["element"] == "crossing") & (found.ranked["rank"] > 0)]
    assert len(marks) == hard["node_id"].nunique() == len({tuple(mark["at"]) for mark in marks}) > 50
    first = hard[hard["node_id"] == hard["node_id"].iloc[0]]
    by_name = first.groupby("name")["children"].sum()
    for name, children in by_name.items():
        assert f"crossing {name}: {children:,.0f} children" in marks[0]["told"]


def test_wider_lines_for_more_children() -> None:
    children = np.array([0.5, 1.0, 9.9, 10.0, 499.0, 500.0])
    lines = gpd.GeoSeries.from_wkt([f"LINESTRING ({x} 0, {x} 100)" for x in range(500_000, 500_006)], crs=CRS)
    same = {"name": "路", "governed_by": "speed", "stress_evidence": "tagged", "exposure": 0.0}
    streets = gpd.GeoDataFrame({"children": children, "stress": [1, 1, 1, 2, 2, 2]}, geometry=lines).assign(**same)
    drawn = _flows(streets[streets["children"] >= FLOW_CLASSES[0]], page_words("corridors", "zh"), "zh")
    assert [(wide, stress) for wide, stress, *_ in drawn["rows"]] == [(0, 1), (0, 1), (1, 2), (3, 2), (4, 2)]
    assert [drawn["texts"][line] for line in drawn["rows"][-1][2]] == [
        "路",
        "500 名儿童走这里",
        "压力 2 级：车速（有标签）",
    ]
    assert len(FLOW_CLASSES) == 5
