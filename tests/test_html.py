"""The map page: as text, and as Chromium shows it from a file with the network off."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pytest

from cfc_geo.edits import CloseFacility, Edit, ResizeFacility
from cfc_geo.model import Change, Result
from cfc_geo.outputs import entries
from cfc_geo.outputs import page as sealed
from cfc_geo.outputs.maps import draw_map
from tests.results import HOSTILE, KINDS, make_result

WIDE, PHONE = {"width": 1100, "height": 700}, {"width": 390, "height": 844}
RUNS = "document.title = 'it ran'"


class Page(HTMLParser):
    """What a browser would make of the page's markup: elements, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "data": []}
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = "data" if dict(attrs).get("type") == "application/json" else tag
            self.texts[self._inside].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data

    @property
    def data(self) -> dict:
        (text,) = self.texts["data"]
        return json.loads(text)

    @property
    def policy(self) -> str:
        (policy,) = (attrs["content"] for _, attrs in self.tags if attrs.get("http-equiv") == "Content-Security-Policy")
        return policy or ""


@pytest.fixture(scope="module")
def hostile() -> Result:
    return make_result(names=HOSTILE, plan={"map": {"title": HOSTILE[0]}})


@pytest.fixture(scope="module")
def plain() -> Result:
    return make_result()


# ------------------------------------------------------------------------------------------------------------ as text


def test_the_page_holds_every_row(plain: Result) -> None:
    data = Page(draw_map(plain, "zh")).data
    assert data["cells"]["shapes"]["shapes"] == len(plain.cells)
    assert sum(packed["shapes"] for packed in data["streets"].values()) == len(plain.study.streets)
    assert len(data["facilities"]["id"]) == len(plain.facilities)
    assert data["entrances"]["x"]["n"] == len(plain.study.entrances)
    assert len(data["units"]["id"]) == data["units"]["shapes"]["shapes"] == len(plain.study.units)
    assert sum(theme["rows"] for theme in data["backdrop"].values()) == len(plain.study.backdrop)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_asks_for_nothing(hostile: Result, lang: str) -> None:
    page = Page(draw_map(hostile, lang))
    assert [attrs for _, attrs in page.tags if "src" in attrs or "href" in attrs] == []
    assert [attrs for _, attrs in page.tags if any(name == "style" or name.startswith("on") for name in attrs)] == []
    assert not re.search(r"@import|url\((?!data:)", "".join(page.texts["style"]).replace("url(#", "url(data:#"))


def test_an_asset_that_is_not_vendored_is_refused() -> None:
    with pytest.raises(ValueError, match="not among the assets"):
        sealed._inlined('<html><head><script src="https://cdn.example/x.js"></script></head><body></body></html>', "zh")
    with pytest.raises(ValueError, match="would ask for"):
        sealed._inlined('<html><head></head><body><img src="https://example/x.png"></body></html>', "zh")


def test_the_policy_names_what_is_on_the_page_and_nothing_else(hostile: Result) -> None:
    page = Page(draw_map(hostile, "zh"))
    rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert set(rules["script-src"].split()) == {sha256(text) for text in page.texts["script"]}
    assert set(rules["style-src"].split()) == {sha256(text) for text in page.texts["style"]}
    assert "unsafe" not in page.policy
    assert page.tags[2][1].get("http-equiv") == "Content-Security-Policy"


def sha256(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_no_name_is_read_as_a_template_or_as_markup(
    hostile: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = draw_map(hostile, "zh")
    block = re.search(r'<script type="application/json".*?</script>', text, flags=re.DOTALL)
    assert block is not None
    outside = text.replace(block[0], "")
    names = set(hostile.facilities["name"]) | set(hostile.study.units["name"])
    assert names == set(HOSTILE) | names
    assert [name for name in names if name in outside] == []
    assert set("<>&").isdisjoint(block[0].removeprefix('<script type="application/json" id="cfc-data">')[:-9])
    assert block[0].isascii()
    assert list(tmp_path.iterdir()) == []
    assert Page(text).data["facilities"]["name"] == list(hostile.facilities["name"])


def test_the_same_result_gives_the_same_bytes(hostile: Result) -> None:
    script = (
        "import hashlib; from tests.results import *; from cfc_geo.outputs.maps import draw_map;"
        "result = make_result(names=HOSTILE, plan={'map': {'title': HOSTILE[0]}});"
        "print(hashlib.sha256(draw_map(result, 'zh').encode()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Shanghai"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == hashlib.sha256(draw_map(hostile, "zh").encode()).hexdigest()
    assert draw_map(hostile, "zh") == draw_map(hostile, "zh")


def test_drawing_leaves_the_result_alone(plain: Result) -> None:
    before = plain.cells.copy(), plain.facilities.copy()
    draw_map(plain, "en")
    assert before[0].equals(plain.cells)
    assert before[1].equals(plain.facilities)


def test_metres_are_never_rounded_across_the_limit() -> None:
    shown = entries.shown_metres(np.array([299.6, 300.0, 300.2, 300.6, np.nan]), 300.0)
    assert shown.tolist() == [301, 301, 302, 302, 0]


@pytest.mark.parametrize(
    ("basemap", "key", "hosts", "notice"),
    [
        ("none", "", 0, ""),
        ("osm", "", 1, "online"),
        ("tianditu", "", 0, "no_key"),
        ("tianditu", "not a key; img-src *", 0, "no_key"),
        ("tianditu", "0123456789abcdef", 8, "online"),
    ],
)
def test_a_base_map_only_where_the_plan_asks_and_a_key_is_set(
    basemap: str, key: str, hosts: int, notice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIANDITU_KEY", key)
    page = Page(draw_map(make_result(plan={"map": {"basemap": basemap}}), "en"))
    assert page.policy.count("https://") == hosts
    assert bool(page.data["basemap"]["tiles"]) == bool(hosts)
    assert page.data["basemap"]["notice"] == notice
    if key.isalnum():
        assert all(key in url for url in page.data["basemap"]["tiles"])


def test_every_word_is_there_and_used() -> None:
    script = files("cfc_geo.outputs").joinpath("assets/map.js").read_text(encoding="utf-8")
    markup = files("cfc_geo.outputs").joinpath("assets/furniture.html").read_text(encoding="utf-8")
    table = tomllib.loads(files("cfc_geo.catalog").joinpath("words/map.toml").read_text(encoding="utf-8"))
    used = set(re.findall(r"words\.(\w+)", script)) | set(re.findall(r'data-word="(\w+)"', markup))
    compared = tomllib.loads(files("cfc_geo.catalog").joinpath("words/compare.toml").read_text(encoding="utf-8"))
    assert used - set(table) == {key for key in used if f"map.{key}" in compared}
    built = ("circle_", "status_", "layer_", "evidence_", "role_", "credit_", "assumed_")
    by_python = {"page", "no_script", "more_warnings", "no_key", "online"}
    statuses = {"covered", "gap", "unknown", "water", "green", "assumptions", "warnings", "edits"}
    idle = {word for word in set(table) - used - by_python - statuses if not word.startswith(built)}
    assert idle == set()
    assert all(set(entry) == {"zh", "en"} for entry in table.values())


def test_an_empty_study_still_makes_a_page() -> None:
    result = make_result(facilities=9)
    study = result.study
    bare = type(study)(
        **{
            **vars(study),
            "backdrop": study.backdrop.iloc[:0],
            "entrances": study.entrances.iloc[:0],
            "streets": study.streets.iloc[:0],
            "sources": (),
        }
    )
    data = Page(draw_map(type(result)(**{**vars(result), "study": bare}), "zh")).data
    assert sum(packed["shapes"] for packed in data["streets"].values()) == 0
    assert data["sources"] == []


# --------------------------------------------------------------------------------------------------------- in Chromium


@pytest.fixture
def show(browser, tmp_path: Path) -> Iterator:
    """Open a page's text from a file, offline; `seen` gathers requests, errors and dialogs."""
    contexts = []

    def open_page(text: str, viewport: dict[str, int] = WIDE, *, before: str = "", ready: bool = True, **options):
        file = tmp_path / "map.html"
        file.write_text(text, encoding="utf-8", newline="\n")
        context = browser.new_context(viewport=viewport, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        seen = SimpleNamespace(requests=[], errors=[], dialogs=[], file=file)
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda said: seen.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
        if before:
            page.add_init_script(before)
        page.goto(file.as_uri())
        if ready:
            page.wait_for_selector("html.ready", timeout=15_000)
        return page, seen

    yield open_page
    for context in contexts:
        context.close()


INKED = """(canvases) => canvases.reduce((sum, canvas) => sum + canvas.getContext("2d")
    .getImageData(0, 0, canvas.width, canvas.height).data.filter((value, i) => i % 4 === 3 && value > 0).length, 0)"""
"""How many pixels are drawn on."""


def turn_off_labels(page) -> None:
    page.click("#cfc-layers summary")
    page.get_by_label("单元名称与比例").uncheck()


def popup_at(page, what: str, name: str) -> str:
    """The text of the popup that a click on the facility or cell opens."""
    if page.locator(".leaflet-popup-close-button").count():
        page.locator(".leaflet-popup-close-button").click()
    page.wait_for_timeout(320)  # the map may still be gliding to the last popup
    spot = page.evaluate("([what, id]) => cfcMap.where(what, id)", [what, name])
    page.mouse.click(spot["x"], spot["y"])
    return page.locator(".leaflet-popup-content").inner_text()


def test_it_opens_offline_and_draws_every_row(plain: Result, show) -> None:
    page, seen = show(draw_map(plain, "zh"))
    page.wait_for_timeout(300)
    assert seen.requests == [seen.file.as_uri()]
    assert seen.errors == []
    rows = {
        "cells": len(plain.cells),
        "segments": len(plain.study.streets),
        "facilities": len(plain.facilities),
        "units": len(plain.study.units),
    }
    counts = page.evaluate("cfcMap.counts")
    assert {name: counts[name] for name in rows} == rows
    assert counts["entrances"] == len(plain.study.entrances)
    assert counts["backdrop"] == len(plain.study.backdrop)
    assert page.evaluate("cfcMap.drawn()") == rows


def test_the_edits_of_a_scenario_are_listed_and_what_they_change_is_ringed(plain: Result, show) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    edits = [
        Edit(why=hostile, resize=ResizeFacility(facility="f1", capacity=40.0)),
        Edit(cost=3.0, close=CloseFacility(facility="gone")),
    ]
    changes = (Change(1, "resize", "f1", "capacity", "0", "40"), Change(2, "close", "gone", "kind", "park", ""))
    plan, study = plain.plan.model_copy(update={"edits": edits}), replace(plain.study, changes=changes)
    page, seen = show(draw_map(replace(plain, plan=plan, study=study), "zh"))
    page.click("#cfc-notes summary")
    lines = page.locator("#cfc-notes .edits li").all_inner_texts()
    assert lines == [
        f"1. 调整学位 f1　容量：0 → 40（{hostile}）",
        "2. 关闭设施 gone　设施类型：公园",
        "已知造价合计 3 万元（部分修改未给出造价）",
    ]
    assert page.get_by_text("本情景新增或修改的设施").is_visible()
    assert seen.errors == [] and seen.dialogs == []
    page, _ = show(draw_map(plain, "zh"))
    assert page.locator("#cfc-notes .edits").count() == 0 and not page.get_by_text("本情景新增或修改的设施").count()


@pytest.mark.parametrize("points", [False, True])
def test_places_are_where_they_were_to_half_a_metre(points: bool, show) -> None:
    result = make_result(points=points)
    page, _ = show(draw_map(result, "zh"))
    for what, table, column in [("cell", result.cells, "origin_id"), ("facility", result.facilities, "facility_id")]:
        asked = list(table[column])
        shown = page.evaluate("([what, ids]) => ids.map((id) => cfcMap.lonlat(what, id))", [what, asked])
        back = gpd.GeoSeries(gpd.points_from_xy(*zip(*shown, strict=True)), crs="EPSG:4326").to_crs(result.study.crs)
        there = table.geometry.representative_point() if what == "facility" else table.geometry.centroid
        assert back.distance(there, align=False).max() < 0.6


def test_hostile_names_are_shown_as_they_are(hostile: Result, show, tmp_path: Path) -> None:
    page, seen = show(draw_map(hostile, "zh"))
    assert page.locator("#cfc-title").text_content() == page.title() == hostile.plan.map.title
    shares = page.locator(".unit-label span").all_text_contents()
    units = hostile.study.units.set_index("unit_id")["name"]
    assert {*shares} <= set(units)
    page.click("#cfc-units summary")
    listed = page.locator("#cfc-units th").all_text_contents()
    level = page.locator("#cfc-units summary").text_content()
    assert set(listed) == set(hostile.study.units.loc[hostile.study.units["level"] == "街道", "name"])
    assert level == "各单元（街道）"
    source = hostile.study.sources[0]
    listed_sources = page.locator("#cfc-sources li").all_text_contents()
    assert f"{source.role} {source.citation}{source.licence} · {source.date}" in listed_sources
    notes = page.locator("#cfc-notes").text_content()
    assert hostile.plan.population.assumption in notes
    assert hostile.plan.norms.override[0].why in notes
    assert hostile.findings[0].values["ids"][0] in notes
    turn_off_labels(page)
    for facility in hostile.facilities.itertuples():
        text = popup_at(page, "facility", facility.facility_id)
        assert page.locator(".leaflet-popup-content h2").text_content() == facility.name
        assert units[facility.unit_id] in page.locator(".leaflet-popup-content").text_content()
        assert "未接入" in text if np.isnan(facility.snap_m) else "321" in text
    assert page.evaluate("document.querySelectorAll('img, iframe, [onload], [onerror]').length") == 0
    assert seen.dialogs == []
    assert seen.errors == []
    assert seen.requests == [seen.file.as_uri()]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["map.html"]


def test_a_click_on_a_facility_says_how_crowded_it_is_and_draws_its_area(show) -> None:
    result = make_result()
    school, park = (result.facilities[result.facilities["kind"] == kind].iloc[0] for kind in ("primary_school", "park"))
    ring = school.geometry.buffer(90).difference(school.geometry.buffer(30))
    areas = gpd.GeoDataFrame({"facility_id": [school.facility_id]}, geometry=[ring], crs=result.study.crs)
    page, seen = show(draw_map(replace(result, service_areas=areas), "zh"))
    turn_off_labels(page)
    before = page.locator(".leaflet-facilities-pane canvas").evaluate_all(INKED)
    text = popup_at(page, "facility", school.facility_id)
    assert "120 · 占容量 120%，超员 20 人，5 人有别处可去" in text and "只是示意" in text
    assert page.locator(".leaflet-facilities-pane canvas").evaluate_all(INKED) > before + 5_000
    other = popup_at(page, "facility", park.facility_id)
    assert "120" in other and "超员" not in other and "只是示意" not in other
    assert [error for error in seen.errors if "willReadFrequently" not in error] == []


def test_each_of_the_two_nets_holds_alone(hostile: Result, show, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = make_result(names=[f'</script><script>{RUNS}</script><img src=x onerror="{RUNS}">'])
    safe = draw_map(attack, "zh")
    page, _ = show(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", safe))
    assert page.title() != "it ran"
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    monkeypatch.setattr(
        sealed,
        "_data_block",
        lambda payload: f'<script type="application/json" id="cfc-data">{json.dumps(payload)}</script>',
    )
    unescaped = draw_map(attack, "zh")
    page, seen = show(unescaped, ready=False)
    page.wait_for_timeout(300)
    assert page.title() != "it ran"
    assert any("Content Security Policy" in error for error in seen.errors)
    page, _ = show(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", unescaped), ready=False)
    page.wait_for_timeout(300)
    assert page.title() == "it ran"


def test_choosing_changes_the_figures_to_those_of_the_tables(plain: Result, show) -> None:
    page, _ = show(draw_map(plain, "zh"))
    for kind in KINDS:
        page.select_option("#cfc-kind", kind)
        rows = plain.coverage_by_unit[(plain.coverage_by_unit["kind"] == kind)]
        for band in rows["band"].unique():
            page.locator(f'#cfc-bands input[value="{band}"]').check(force=True)
            row = rows[(rows["band"] == band) & (rows["unit_id"] == "all")].iloc[0]
            wanted = [f"{round_half_even(row[status]):,} 人" for status in ("covered", "gap", "unknown")]
            assert page.locator("#cfc-figures tr td:nth-of-type(1)").all_text_contents() == wanted
            assert page.evaluate("cfcMap.choice()") == {"kind": kind, "band": band}
            shown = page.evaluate("cfcMap.figures()")
            assert shown["covered"] == pytest.approx(row["covered"], abs=0.051)
            if row["unknown"] < 0.005 * row["children"]:
                assert page.locator("#cfc-share b").text_content() == f"{round(100 * row['covered_share'])}%"
            else:
                assert page.locator("#cfc-share b").text_content() == f"≥{int(100 * row['covered_share'])}%"
    page.select_option("#cfc-kind", "circle")
    page.locator('#cfc-bands input[value="3-5"]').check(force=True)
    row = plain.circle_by_unit.query("unit_id == 'all' and band == '3-5'").iloc[0]
    wanted = [f"{round_half_even(row[name]):,} 人" for name in ("complete", "incomplete", "unknown")]
    assert page.locator("#cfc-figures tr td:nth-of-type(1)").all_text_contents() == wanted
    assert "公园" in page.locator("#cfc-walk").text_content()


def round_half_even(value: float) -> int:
    """Whole children as the page rounds them (to a tenth in the data, then halves away from zero)."""
    return int(np.floor(round(value, 1) + 0.5))


def test_a_click_on_a_cell_tells_all_of_it(plain: Result, show) -> None:
    page, _ = show(draw_map(plain, "zh"))
    turn_off_labels(page)
    page.get_by_label("设施", exact=True).uncheck()
    page.select_option("#cfc-kind", "primary_school")
    names = plain.facilities.set_index("facility_id")["name"]
    words = {"covered": "可达", "gap": "超出距离", "unknown": "无法判断"}
    for cell in plain.cells.iloc[[0, 7, 20, 35]].itertuples():
        text = popup_at(page, "cell", cell.origin_id)
        assert cell.origin_id in text
        assert words[cell.primary_school_status] in text
        assert {"u1": "西街道", "u2": "东街道"}[cell.unit_id] in text
        children = page.locator(".leaflet-popup-content table").last.locator("td").all_text_contents()
        assert [float(count) for count in children] == pytest.approx(list(cell[3:8]), abs=0.051)
        if cell.primary_school_nearest_id:
            minutes = max(1, round(cell.primary_school_m / plain.plan.speed_ms("6-11") / 60))
            assert names[cell.primary_school_nearest_id] in text
            assert (
                f"{entries.shown_metres(np.array([cell.primary_school_m]), 500.0)[0] - 1:.0f} 米，约 {minutes} 分钟"
                in text
            )
        else:
            assert "离可步行街道太远" in text


def test_the_furniture_of_a_map_is_there(plain: Result, show) -> None:
    page, _ = show(draw_map(plain, "zh"))
    text = page.locator("body").inner_text()
    for word in (
        "未经地图审核，仅供内部使用",
        "示例区",
        "© OpenStreetMap contributors ODbL 1.0",
        "2025-05",
        "米",
        "北",
    ):
        assert word in text
    assert page.locator(".leaflet-control-scale-line").text_content().endswith("米")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert page.locator(".leaflet-control-attribution").count() == 0
    reviewed, _ = show(draw_map(make_result(plan={"map": {"approval_no": "浙S(2025)1号"}}), "en"))
    assert "浙S(2025)1号" in reviewed.locator("#cfc-review").text_content()
    assert "未经地图审核" not in reviewed.locator("body").inner_text()
    assert reviewed.locator("#cfc-share span").text_content() == "of children have a complete circle"
    assert reviewed.evaluate("document.documentElement.lang") == "en"


def test_it_can_be_used_from_the_keyboard(plain: Result, show) -> None:
    page, _ = show(draw_map(plain, "zh"))
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
    assert {"cfc-fold", "cfc-kind"} <= set(reached)
    page.focus("#cfc-kind")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("cfcMap.choice().kind") != "circle"
    page.focus("#cfc-fold")
    page.keyboard.press("Enter")
    assert page.locator("#cfc-fold").get_attribute("aria-expanded") == "false"
    assert page.locator("#cfc-figures").is_visible()
    assert not page.locator("#cfc-kind").is_visible()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_phone_shows_all_without_scrolling_sideways(hostile: Result, show, lang: str) -> None:
    page, seen = show(draw_map(hostile, lang), PHONE, has_touch=True, is_mobile=True)
    for _ in range(2):
        assert (
            page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]") == [390] * 3
        )
        outside = page.evaluate(
            """() => [...document.querySelectorAll('#cfc-panel *, #cfc-foot *, .leaflet-control')].filter((one) => {
                 const box = one.getBoundingClientRect();
                 return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5) && one.type !== 'radio';
               }).map((one) => one.id + ' ' + one.className + ' ' + one.tagName)"""
        )
        assert outside == []
        assert page.locator("#cfc-figures").is_visible()
        page.tap("#cfc-fold")
    assert seen.errors == []


def test_it_prints_on_one_a3_page(plain: Result, show) -> None:
    page, seen = show(draw_map(plain, "zh"))
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    (box,) = re.findall(rb"/MediaBox\s*\[([^\]]*)\]", pdf)
    width, height = [float(number) * 25.4 / 72 for number in box.split()[2:]]
    assert (round(width), round(height)) == (420, 297)
    page.emulate_media(media="print")
    for kept in (
        "#cfc-title",
        "#cfc-figures",
        "#cfc-symbols",
        "#cfc-north",
        ".leaflet-control-scale-line",
        "#cfc-credit",
    ):
        assert page.locator(kept).is_visible(), kept
    for hidden in ("#cfc-kind", "#cfc-fold", "#cfc-layers", "#cfc-print", ".leaflet-control-zoom"):
        assert not page.locator(hidden).is_visible(), hidden
    shades = page.evaluate(
        """() => {
             const small = document.createElement('canvas').getContext('2d'), found = new Set();
             small.drawImage(document.getElementById('cfc-paper'), 0, 0, 300, 150);
             const { data } = small.getImageData(0, 0, 300, 150);
             for (let i = 0; i < data.length; i += 4) found.add(data.slice(i, i + 3).join());
             return found.size;
           }"""
    )
    assert shades > 50
    page.emulate_media(media="screen")
    page.wait_for_selector("#cfc-kind", state="visible")
    assert page.locator("#cfc-paper").count() == 0
    assert seen.errors == []


def test_an_old_browser_is_told_why(plain: Result, show) -> None:
    page, seen = show(draw_map(plain, "zh"), before="delete window.DecompressionStream;", ready=False)
    assert "Chrome 80" in page.locator("#cfc-message").inner_text()
    assert seen.errors == []


def test_a_page_cut_short_says_so(plain: Result, show) -> None:
    text = draw_map(plain, "zh")
    packed = Page(text).data["cells"]["shapes"]["z"]
    page, _ = show(text.replace(packed, packed[: len(packed) // 8 * 4]), ready=False)
    page.wait_for_timeout(300)
    assert "数据不完整" in page.locator("#cfc-message").inner_text()
