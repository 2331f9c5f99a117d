"""Plan files: what is accepted, how they extend one another, and what a planner is told of every fault."""

import json
import re
from pathlib import Path

import pytest

from cfc_geo import catalog
from cfc_geo.errors import PlanError
from cfc_geo.plan import Plan, _lay_over, load_plan, plan_schema
from tests.toyplan import PLAN

SCHEMA = Path(__file__).parents[1] / "scenarios" / "schema.json"


def written(folder: Path, text: str, name: str = "plan.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def faults(path: Path) -> dict[str, str]:
    """Code → message in English of every fault of the plan at `path`; the Chinese one must exist too."""
    with pytest.raises(PlanError) as caught:
        load_plan(path)
    assert all(finding.severity == "error" and finding.text("zh") for finding in caught.value.findings)
    return {finding.code: finding.text("en") for finding in caught.value.findings}


def fault(folder: Path, text: str) -> tuple[str, str]:
    """Code and message of the only fault of a plan with this text."""
    found = faults(written(folder, text))
    assert len(found) == 1, found
    return next(iter(found.items()))


def test_a_plan_is_read_whole(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, PLAN))
    assert plan.name == "玩具镇"
    assert plan.place.units.parent == "parent"
    assert plan.population.children == {band: f"{band}岁" for band in catalog.bands()}
    assert [block.kind for block in plan.facilities] == [None, "park"]
    assert plan.norms.use == "gb50180" and plan.walk.snap_limit_m == 100
    assert plan.path("data/cells.csv") == tmp_path / "data/cells.csv"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, encoding="utf-8-sig")
    assert load_plan(path).name == "玩具镇"


def test_the_starter_plan_is_valid(tmp_path: Path) -> None:
    from cfc_geo.outputs.starter import write_starter

    plan = write_starter(tmp_path / "new")
    assert plan is not None and load_plan(plan).facilities[0].columns.kind == "类型"
    text = plan.read_text(encoding="utf-8")
    offered = re.sub(r"^# (?=\[(terrain|streets_for_children)\]|(kinds|farthest_m|districts) =)", "", text, flags=re.M)
    offered = offered.replace('# file = "data/dem.tif"', 'file = "data/dem.tif"').replace(
        "\nkinds = { ", "\n# kinds = { "
    )
    plan.write_text(offered, encoding="utf-8")
    loaded = load_plan(plan)
    assert loaded.terrain is not None and loaded.streets_for_children is not None, "what it shows as comments is valid"
    assert loaded.streets_for_children.districts is not None and loaded.streets_for_children.farthest_m == 2000


# ---------------------------------------------------------------------------------------------------------- extending


def test_tables_merge_key_by_key_and_lists_are_replaced(tmp_path: Path) -> None:
    written(tmp_path, PLAN, "base.toml")
    path = written(
        tmp_path,
        """
        extends = "base.toml"
        name = "方案"
        [walk]
        snap_limit_m = 50
        [population]
        datum = "gcj02"
        [[facilities]]
        file = "other.csv"
        kind = "park"
        """,
    )
    plan = load_plan(path)
    assert plan.name == "方案" and plan.walk.snap_limit_m == 50
    assert plan.population.datum == "gcj02" and plan.population.lon == "经度"
    assert [block.file for block in plan.facilities] == ["other.csv"]


def test_paths_are_seen_from_the_folder_of_the_file_that_states_them(tmp_path: Path) -> None:
    written(tmp_path, PLAN.replace("data/streets.osm", "/maps/streets.osm"), "base/town/base.toml")
    written(tmp_path, 'extends = "town/base.toml"\nplace.units.file = "units.gpkg"', "base/middle.toml")
    path = written(tmp_path, 'extends = "../base/middle.toml"', "scenarios/plan.toml")
    plan = load_plan(path, allow=[tmp_path, "/maps"])
    assert plan.population.file == "../base/town/data/cells.csv"
    assert plan.facilities[1].file == "../base/town/data/parks.geojson"
    assert plan.place.units.file == "../base/units.gpkg"
    assert plan.streets.file == "/maps/streets.osm"
    assert plan.path(plan.population.file).resolve() == (tmp_path / "base/town/data/cells.csv").resolve()


def test_rasters_by_band_and_entrances_move_with_their_plan_too(tmp_path: Path) -> None:
    base = PLAN[: PLAN.index("[population]")] + (
        '[population]\nfiles = { "0-2" = "a.tif", "3-5" = "b.tif" }\n'
        '[[facilities]]\nfile = "f.csv"\nkind = "park"\nentrances = { file = "gates.csv", facility = "id" }\n'
        '[streets]\nfile = "s.osm"\n'
    )
    written(tmp_path, base, "base/base.toml")
    plan = load_plan(written(tmp_path, 'extends = "base/base.toml"'))
    assert plan.population.files == {"0-2": "base/a.tif", "3-5": "base/b.tif"}
    assert plan.facilities[0].entrances is not None and plan.facilities[0].entrances.file == "base/gates.csv"


def test_a_circle_of_extends_is_named(tmp_path: Path) -> None:
    written(tmp_path, 'extends = "b.toml"', "a.toml")
    written(tmp_path, 'extends = "./c.toml"', "b.toml")
    written(tmp_path, 'extends = "../' + tmp_path.name + '/a.toml"', "c.toml")
    found = faults(tmp_path / "a.toml")
    assert list(found) == ["plan.extends_circle"]
    assert "a.toml → b.toml → c.toml → a.toml" in found["plan.extends_circle"]


def test_a_plan_may_not_extend_itself(tmp_path: Path) -> None:
    assert list(faults(written(tmp_path, 'extends = "plan.toml"'))) == ["plan.extends_circle"]


def test_a_missing_base_is_named_with_what_is_there(tmp_path: Path) -> None:
    written(tmp_path, PLAN, "base.toml")
    code, text = fault(tmp_path, 'extends = "bsae.toml"')
    assert code == "plan.no_file" and "bsae.toml" in text and "base.toml" in text.partition("→")[2]


@pytest.mark.parametrize("extends", ["5", '["a.toml"]', "{ }", r'"a\u0000b"'])
def test_extends_is_the_name_of_a_file(tmp_path: Path, extends: str) -> None:
    code, text = fault(tmp_path, f"extends = {extends}")
    assert code == "plan.not_text" and "extends" in text


def test_a_fault_is_reported_of_the_file_that_states_it(tmp_path: Path) -> None:
    written(tmp_path, PLAN.replace("lat =", "latt ="), "base.toml")
    path = written(tmp_path, 'extends = "base.toml"\n[walk]\nsnap_limit_m = -1\n[population]\ndatum = "wgs84"')
    found = faults(path)
    assert str(tmp_path / "base.toml") in found["plan.unknown_key"]
    assert str(path) in found["plan.bad_value"]


# ------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("right", "wrong", "key", "near"),
    [
        ("datum =", "dautm =", "population.dautm", "datum"),
        ("[streets]", "[street]", "street", "streets"),
        ("parent =", "parents =", "place.units.parents", "parent"),
        ('id = "编号", name', 'idd = "编号", name', "facilities.1.columns.idd", "id"),
        ('name = "玩具镇"', 'name = "玩具镇"\nextend = "x"', "extend", "extends"),
    ],
)
def test_an_unknown_key_is_named_with_the_right_one(
    tmp_path: Path, right: str, wrong: str, key: str, near: str
) -> None:
    found = faults(written(tmp_path, PLAN.replace(right, wrong, 1)))
    text = found["plan.unknown_key"]
    assert f"no key {key} →" in text and text.endswith(f"did you mean {near}?")


def test_an_unknown_key_like_no_other_is_answered_with_the_keys_there_are(tmp_path: Path) -> None:
    code, text = fault(tmp_path, PLAN + "\n[walk]\nzzz = 1\n")
    assert code == "plan.unknown_key_far"
    assert "walk.zzz" in text and "snap_limit_m, speeds_ms, why" in text


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    text = PLAN.replace('kind = "park"', 'kind = "parc"').replace('datum = "wgs84"', 'datum = "wgs85"')
    found = faults(written(tmp_path, text + "\nzz = 1\n[walk]\nsnap_limit_m = nan\n[norms]\nuse = 'gb50181'\n"))
    assert set(found) == {
        "plan.unknown_kind",
        "plan.bad_value",
        "plan.unknown_key_far",
        "plan.not_number",
        "plan.norms_unknown_set",
    }


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("[walk]\nsnap_limit_m = nan", "plan.not_number", ["walk.snap_limit_m", "nan"]),
        ("[walk]\nsnap_limit_m = inf", "plan.not_number", ["walk.snap_limit_m", "inf"]),
        ('[walk]\nsnap_limit_m = "100"', "plan.not_number", ["walk.snap_limit_m", '"100"']),
        ("[walk]\nsnap_limit_m = true", "plan.not_number", ["walk.snap_limit_m", "True"]),
        ("[walk]\nsnap_limit_m = 0", "plan.bad_value", ["walk.snap_limit_m", "> 0"]),
        ("[walk]\nsnap_limit_m = 1001", "plan.bad_value", ["≤ 1000"]),
        ("[walk]\nsnap_limit_m = 1" + "0" * 400, "plan.not_number", ["walk.snap_limit_m"]),
        ("[walk]\nspeeds_ms = { '0-2' = 0.1 }\nwhy = 'x'", "plan.bad_value", ["walk.speeds_ms.0-2", "≥ 0.3"]),
        ("[walk]\nspeeds_ms = { '0-3' = 1.0 }\nwhy = 'x'", "plan.bad_value", ["walk.speeds_ms.0-3", "0-2, 3-5"]),
        ("[walk]\nspeeds_ms = { '0-2' = 1.0 }", "plan.walk_why", ["walk", "why ="]),
        ("[map]\nbasemap = 'google'", "plan.bad_value", ["map.basemap", "none, tianditu, osm"]),
        ("[map]\ntitle = 2024-05-01", "plan.not_text", ["map.title", "2024-05-01", "quotes"]),
        ("[circle]\nbaskets = { '0-2' = ['park'] }", "plan.circle_why", ["circle", "why ="]),
        ("[circle]\nwhy = 'x'\nbaskets = { '0-2' = [] }", "plan.too_short", ["circle.baskets.0-2", "1"]),
        ("[circle]\nwhy = 'x'\nbaskets = { '0-2' = 'park' }", "plan.not_list", ["circle.baskets.0-2"]),
        ("[circle]\nwhy = 'x'\nbaskets = { '0-2' = ['park', 'park'] }", "plan.basket_repeats", ["0-2", "park"]),
        ("[circle]\nwhy = 'x'\nbaskets = { '0-2' = ['clinic'] }", "plan.basket_without_limit", ["0-2", "clinic"]),
        ("[circle]\nwhy = 'x'\nbaskets = { '0-2' = ['praks'] }", "plan.unknown_kind", ["circle.baskets.0-2.1", "park"]),
        ("[norms]\nuse = 'gb'", "plan.norms_unknown_set", ["norms.use", "gb50180, gb50180_strict"]),
        ("[norms]\noverride = { kind = 'park' }", "plan.not_list", ["norms.override", "[[norms.override]]"]),
        ("[[norms.override]]\nkind = 'park'\nlimit_m = 400", "plan.missing_key", ["norms.override.1.why"]),
        ("[[norms.override]]\nkind = 'park'\nlimit_m = 5001\nwhy = 'so'", "plan.bad_value", ["≤ 5000"]),
        ("[[norms.override]]\nkind = 'parks'\nlimit_m = 400\nwhy = 'so'", "plan.unknown_kind", ["park"]),
        (
            2 * "[[norms.override]]\nkind = 'park'\nlimit_m = 400\nwhy = 'so'\n",
            "plan.override_twice",
            ["park", "override"],
        ),
        ("walk = 5", "plan.not_table", ["walk", "5"]),
        ("circle = []", "plan.not_table", ["circle"]),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(
    tmp_path: Path, line: str, code: str, words: list[str]
) -> None:
    text = line + "\n" + PLAN if line.startswith(("walk =", "circle =")) else PLAN + line + "\n"
    found, message = fault(tmp_path, text)
    assert found == code
    assert "→" in message and all(word in message for word in words), message


@pytest.mark.parametrize(
    ("population", "code"),
    [
        ('file = "a.tif"\nfiles = { "0-2" = "b.tif" }', "plan.population_file_or_files"),
        ('children = { "0-2" = 1 }', "plan.population_file_or_files"),
        ('files = { "0-2" = "b.tif" }\nresidents = 1', "plan.population_files_alone"),
        ("files = { }", "plan.too_short"),
        ('file = "a.tif"', "plan.population_children_or_shares"),
        ('file = "a.tif"\nchildren = { }', "plan.too_short"),
        ('file = "a.tif"\nchildren = { "0-2" = 0 }', "plan.not_column_or_band"),
        ('file = "a.tif"\nchildren = { "0-2" = true }', "plan.not_column_or_band"),
        ('file = "a.tif"\nchildren = { "0-2" = "" }', "plan.not_column_or_band"),
        ('file = "a.tif"\nchildren = { "0-2" = 1.5 }', "plan.not_column_or_band"),
        ('file = "a.tif"\nchildren = { "0-2" = 1 }\nshares = { "0-2" = 0.1 }', "plan.population_children_and_shares"),
        ('file = "a.tif"\nshares = { "0-2" = 0.1 }', "plan.population_shares_need_residents"),
        ('file = "a.tif"\nresidents = 1\nshares = { "0-2" = 0.6, "3-5" = 0.6 }', "plan.population_shares_over_one"),
        ('file = ""\nchildren = { "0-2" = 1 }', "plan.too_short"),
        ('file = 5\nchildren = { "0-2" = 1 }', "plan.not_text"),
    ],
)
def test_children_come_from_one_place(tmp_path: Path, population: str, code: str) -> None:
    start, end = PLAN.index("[population]"), PLAN.index("[[facilities]]")
    found, message = fault(tmp_path, PLAN[:start] + f"[population]\n{population}\n" + PLAN[end:])
    assert found == code and "population" in message


def test_one_facility_block_needs_two_brackets(tmp_path: Path) -> None:
    start, end = PLAN.index("[[facilities]]"), PLAN.index("[streets]")
    code, message = fault(tmp_path, PLAN[:start] + '[facilities]\nfile = "a.csv"\n' + PLAN[end:])
    assert code == "plan.not_list" and "[[facilities]]" in message


def test_a_file_named_by_no_text_in_another_folder_is_a_fault_like_any_other(tmp_path: Path) -> None:
    written(tmp_path, PLAN.replace('file = "data/cells.csv"', "file = 5"), "base/base.toml")
    found = faults(written(tmp_path, 'extends = "base/base.toml"'))
    assert list(found) == ["plan.not_text"] and "population.file" in found["plan.not_text"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "plan.missing_key"),
        (b"name = ", "plan.not_toml"),
        (b"name = 'a'\nname = 'b'", "plan.not_toml"),
        (b"a = " + b"[" * 5000, "plan.too_deep"),
        (b"a = " + b"[" * 20 + b"]" * 20, "plan.too_deep"),
        (b".".join([b"a"] * 5000) + b" = 1", "plan.too_deep"),
        (b"a = 1" + b"0" * 5000, "plan.not_toml"),
        ("name = '儿童'".encode("gb18030"), "plan.not_utf8"),
        ("name = '儿童'".encode("utf-16"), "plan.not_utf8"),
        (b"name = '\xed\xa0\x80'", "plan.not_utf8"),
        (rb'name = "\ud800"', "plan.not_toml"),
        (b"\x00\x01\x02", "plan.not_toml"),
    ],
)
def test_whatever_the_file_holds_a_plan_error_says_what(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(content)
    with pytest.raises(PlanError) as caught:
        load_plan(path)
    assert {finding.code for finding in caught.value.findings} == {code}
    assert all("plan.toml" in finding.text(lang) for finding in caught.value.findings for lang in catalog.LANGUAGES)


def test_bad_toml_is_placed_by_its_line(tmp_path: Path) -> None:
    _, text = fault(tmp_path, 'name = "a"\n\nplace = wrong\n')
    assert "plan.toml, row 3:" in text


def test_a_folder_and_a_missing_file_are_no_plans(tmp_path: Path) -> None:
    assert list(faults(tmp_path)) == ["read.folder"]
    assert list(faults(tmp_path / "none.toml")) == ["plan.no_file"]
    assert list(faults(tmp_path / ("x" * 300 + ".toml"))) == ["plan.unreadable"]


# --------------------------------------------------------------------------------------------- norms, baskets, speeds


def test_an_override_changes_one_limit_and_says_so(tmp_path: Path) -> None:
    plan = load_plan(
        written(tmp_path, PLAN + "[[norms.override]]\nkind = 'nursing_room'\nlimit_m = 250\nwhy = '试行'\n")
    )
    norms = plan.resolved_norms()
    assert (norms["nursing_room"].limit_m, norms["nursing_room"].certainty, norms["nursing_room"].why) == (
        250,
        "plan",
        "试行",
    )
    others = {kind: norm for kind, norm in norms.items() if kind != "nursing_room"}
    assert others == catalog.norms("gb50180")
    assert list(norms) == [kind for kind in catalog.kinds() if kind in norms]


def test_a_basket_replaces_one_band_and_leaves_the_others(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, PLAN + "[circle]\nwhy = 'x'\nbaskets = { '3-5' = ['playground', 'park'] }\n"))
    assert plan.resolved_baskets() == {**catalog.baskets(), "3-5": ("playground", "park")}


def test_a_basket_may_hold_a_kind_whose_limit_the_plan_gives(tmp_path: Path) -> None:
    text = "[[norms.override]]\nkind = 'clinic'\nlimit_m = 900\nwhy = '试行'\n"
    text += "[circle]\nwhy = 'x'\nbaskets = { '0-2' = ['clinic'] }\n"
    assert load_plan(written(tmp_path, PLAN + text)).resolved_baskets()["0-2"] == ("clinic",)


def test_speeds_are_the_catalogues_unless_the_plan_says_otherwise(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, PLAN + "[walk]\nwhy = 'x'\nspeeds_ms = { '6-11' = 1.5 }\n"))
    assert plan.speed_ms("6-11") == 1.5 and plan.speed_ms("3-5") == catalog.bands()["3-5"].speed_ms


def test_every_default_basket_holds_known_kinds_with_a_limit_in_every_set() -> None:
    for name in catalog.norm_sets():
        assert set(catalog.norms(name)) <= set(catalog.kinds())
        for basket in catalog.baskets().values():
            assert set(basket) <= set(catalog.norms(name)), name


def test_a_plan_is_frozen(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, PLAN))
    with pytest.raises(ValueError, match="frozen"):
        plan.name = "other"  # type: ignore[misc]


# ------------------------------------------------------------------------------------------------------------- schema


def test_the_schema_is_current(request: pytest.FixtureRequest) -> None:
    text = json.dumps(plan_schema(), ensure_ascii=False, indent=2) + "\n"
    if request.config.getoption("--fix"):
        SCHEMA.parent.mkdir(exist_ok=True)
        SCHEMA.write_text(text, encoding="utf-8")
    assert SCHEMA.is_file() and SCHEMA.read_text(encoding="utf-8") == text, "run: pytest tests/test_plan.py --fix"


def test_the_schema_knows_extends_and_the_kinds() -> None:
    schema = plan_schema()
    assert set(schema["properties"]) == {*Plan.model_fields, "extends"}
    assert schema["anyOf"][0] == {"required": ["extends"]}
    kinds = schema["$defs"]["NormOverride"]["properties"]["kind"]["enum"]
    assert kinds == list(catalog.kinds())


def test_another_file_inherits_nothing_that_was_said_of_the_old_one() -> None:
    base = {"population": {"file": "a.csv", "datum": "gcj02", "licence": "old", "lon": "x"}}
    merged = _lay_over(base, {"population": {"file": "b.csv"}})
    assert merged["population"] == {"file": "b.csv", "lon": "x"}
    assert _lay_over(base, {"population": {"lat": "y"}})["population"]["datum"] == "gcj02"
