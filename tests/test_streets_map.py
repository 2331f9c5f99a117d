"""The map of `cfc-geo streets` in a browser: offline, without a fault, hostile names as text, figures of corridors."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest

from cfc_geo.blocks import StreetsForChildren
from cfc_geo.model import ChildStreets, Study
from cfc_geo.outputs.streets_map import FLOW_CLASSES, _flows, draw_streets
from cfc_geo.plan import Plan, load_plan
from cfc_geo.run import find_streets
from tests.towns import CRS

ROOT = Path(__file__).parents[1]
HOSTILE = "<img src=x onerror=\"document.title='hit'\"></script><script>document.title='hit'</script>&路"


@pytest.fixture(scope="module")
def answer() -> tuple[Plan, Study, ChildStreets]:
    plan = load_plan(ROOT / "scenarios" / "base.toml")
    study, found, _ = find_streets(plan, StreetsForChildren(measure=0, corridors=3, new_links=1))
    found.corridors.loc[0, "name"] = HOSTILE
    found.links.loc[0, "barrier_name"] = HOSTILE
    return plan, study, found


@pytest.mark.parametrize("lang, width, height", [("zh", 1280, 800), ("en", 390, 844)])
def test_the_map_shows_corridors_links_and_figures(
    answer: tuple[Plan, Study, ChildStreets], browser: Any, tmp_path: Path, lang: str, width: int, height: int
) -> None:
    plan, study, found = answer
    (tmp_path / "map.html").write_text(draw_streets(plan, study, found, lang), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": height})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "map.html").as_uri())
    page.wait_for_selector("html.ready")
    assert page.evaluate("window.cfcStreets.corridors") == len(found.corridors) == 3
    assert page.evaluate("window.cfcStreets.links") == 1
    if width < 720:
        page.click("#fold")
    page.click("#corridors button:nth-child(2)")
    figures = page.inner_text("#figures")
    row = found.corridors.iloc[1]
    assert f"{row['length_m']:.1f} m" in figures and row["remedies"] in figures
    page.click("#corridors button:nth-child(2)")
    assert page.inner_text("#figures").strip() == ""
    assert HOSTILE in page.inner_text("#corridors") and HOSTILE in page.inner_text("#links")
    assert page.title() != "hit" and said == []
    assert len(asked) == 1 and asked[0].startswith("file:"), "it asks nobody for anything"
    page.close()


def test_the_same_answer_is_the_same_page(answer: tuple[Plan, Study, ChildStreets]) -> None:
    assert draw_streets(*answer, "zh") == draw_streets(*answer, "zh")


def test_wider_lines_for_more_children() -> None:
    children = np.array([0.5, 1.0, 9.9, 10.0, 499.0, 500.0])
    lines = gpd.GeoSeries.from_wkt([f"LINESTRING ({x} 0, {x} 100)" for x in range(500_000, 500_006)], crs=CRS)
    streets = gpd.GeoDataFrame({"children": children, "stress": [1, 1, 1, 2, 2, 2]}, geometry=lines)
    drawn = {(flow["wide"], flow["stress"]): len(flow["at"]) for flow in _flows(streets)}
    assert drawn == {(0, 1): 2, (1, 2): 1, (3, 2): 1, (4, 2): 1} and len(FLOW_CLASSES) == 5
