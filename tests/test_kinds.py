"""Words for kinds: the catalogue's own, what offices and maps write, and questions where nobody can say."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfc_geo import catalog
from cfc_geo.cli import main
from cfc_geo.inputs.kinds import meaning, suggestions
from cfc_geo.inputs.study import read_study
from cfc_geo.plan import load_plan
from tests.toyplan import PLAN, facility_rows, lonlat, write_csv, write_toy


@pytest.mark.parametrize("kind", catalog.kinds())
def test_every_name_alias_and_code_of_a_kind_means_it(kind: str) -> None:
    entry = catalog.kinds()[kind]
    for word in (kind, entry.zh, entry.en, *entry.aliases, *entry.endings, *entry.amap):
        assert meaning(f" {word}　", {}).kind == kind, word
    for tags in entry.osm:
        assert meaning(";".join(f"{key}={value}" for key, value in tags.items()), {}).kind == kind


def test_no_word_means_two_kinds() -> None:
    words = [
        (word, kind.id)
        for kind in catalog.kinds().values()
        for word in {kind.zh, *kind.aliases, *kind.endings, *kind.amap}
    ]
    assert len({word for word, _ in words}) == len(words)
    assert set(catalog.ambiguous_words()).isdisjoint({word for word, _ in words})


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("托育园", "childcare"),
        ("托幼中心", "childcare"),
        ("婴幼儿照护服务机构", "childcare"),
        ("托幼一体", "childcare"),
        ("幼儿园托班", "childcare"),
        ("母婴关爱室", "nursing_room"),
        ("amenity=kindergarten", "kindergarten"),
        ("amenity=school;school=primary", "primary_school"),
        ("leisure=playground", "playground"),
        ("141204", "kindergarten"),
        ("141203|141204", ""),
        ("141204|060000", "kindergarten"),
        ("科教文化服务;学校;小学", "primary_school"),
        ("科教文化服务;学校;幼儿园|生活服务;生活服务场所;生活服务场所", "kindergarten"),
        ("城关镇中心幼儿园", "kindergarten"),
        ("附属小学", "primary_school"),
        ("非营利性托育机构", "childcare"),
        ("amenity=school;disused=no", "school"),
        ("五马街道社区卫生服务站", "health_station"),
    ],
)
def test_what_offices_and_maps_write(word: str, kind: str) -> None:
    assert meaning(word, {}).kind == kind


@pytest.mark.parametrize(
    "word",
    [
        "文具店", "", "幼儿园、小学", "小学/初中", "原城关小学", "规划幼儿园", "幼儿园（停办）", "职业高中", "培训学校",
        "软件公园", "amenity=pub", "060101", "特殊学校", "老年活动中心", "产业园", "小学生托管", "幼儿园停车场",
        "已注销托育机构", "非托育机构", "未备案托育机构", "待开业幼儿园", "已关闭幼儿园", "即将开园幼儿园",
        "无证幼儿园", "拆除小学", "新建小学",
        "培智小学", "成人高级中学", "托管小学", "amenity=kindergarten;disused=yes",
        "demolished:amenity=school;amenity=school",
    ],
)  # fmt: skip
def test_what_leaves_a_doubt_means_nothing(word: str) -> None:
    assert meaning(word, {}).kind == ""


@pytest.mark.parametrize("word", ["中学", "141202", "九年一贯制学校", "科教文化服务;学校;中学", "托幼一体幼儿园"])
def test_words_for_several_kinds_are_a_question(word: str) -> None:
    found = meaning(word, {})
    assert found.kind == "" and len(found.choices) > 1


def test_the_plan_wins_over_the_catalogue() -> None:
    assert meaning("中学", {"中学": "middle_school"}).kind == "middle_school"
    assert meaning("小学", {"小学": "school"}).kind == "school"


@given(st.text(max_size=20))
def test_any_word_means_one_known_kind_or_none(word: str) -> None:
    found = meaning(word, {})
    assert found.kind in {"", *catalog.kinds()} and set(suggestions(word)) <= set(catalog.kinds())


# --------------------------------------------------------------------------------------------------------- in a plan


def with_words(tmp_path: Path, words: list[str], keys: str = "") -> Path:
    block = 'datum = "wgs84"\ncolumns = { id = "编号"'
    plan = write_toy(tmp_path, PLAN.replace(block, keys + block))
    rows = facility_rows()
    rows += [[f"X{at}", f"某{at}", word, *lonlat(100 * at, 0), 9] for at, word in enumerate(words)]
    write_csv(plan.parent / "data/facilities.csv", rows)
    return plan


def test_unknown_and_ambiguous_words_are_refused_with_suggestions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = with_words(tmp_path, ["中学", "托育乐园", "镇中心幼儿园"])
    assert main(["check", str(plan), "--lang", "zh"]) == 1
    told = capsys.readouterr().err
    assert "第 5 行：“中学”可能是：初中、高中" in told and '"中学" = "……"（middle_school、high_school 之一）' in told
    assert "第 6 行" in told and "托育" in told
    assert "2 处" in told, told


def test_ignored_words_are_left_out_and_the_file_stays_a_full_list(tmp_path: Path) -> None:
    plan = with_words(tmp_path, ["文具店", "镇中心幼儿园"], 'kinds = { "文具店" = "ignore" }\n')
    study = read_study(load_plan(plan))
    assert "X0" not in set(study.facilities["facility_id"]) and "X1" in set(study.facilities["facility_id"])
    assert {"kindergarten", "primary_school"} <= study.surveyed and study.review.empty
    told = {finding.code: finding for finding in study.findings}
    assert told["kinds.ignored"].rows == (5,) and told["kinds.by_ending"].rows == (6,)
    assert "镇中心幼儿园 → kindergarten" in told["kinds.by_ending"].text()


def test_records_to_review_are_written_and_make_a_gap_unknown(tmp_path: Path) -> None:
    known, left = with_words(tmp_path / "a", []), with_words(tmp_path / "b", ["中学"], 'unknown_kinds = "review"\n')
    shares = {}
    for plan in (known, left):
        assert main(["run", str(plan), "--out", str(plan.parent / "out")]) == 0
        coverage = pd.read_csv(plan.parent / "out/toy/coverage.csv", encoding="utf-8-sig", dtype={"unit_id": str})
        rows = coverage[(coverage["unit_id"] == "all") & (coverage["kind"] == "kindergarten")]
        shares[plan] = rows[["covered", "gap", "unknown"]].iloc[0].tolist()
    covered, gap, unknown = shares[known]
    assert gap > 0 and shares[left] == [covered, 0, gap + unknown]
    assert not (known.parent / "out/toy/review.csv").exists()
    review = pd.read_csv(left.parent / "out/toy/review.csv", encoding="utf-8-sig", dtype=str)
    assert review.iloc[0].fillna("").tolist() == [
        "data/facilities.csv", "", "5", "中学", "某0", "middle_school, high_school",
    ]  # fmt: skip


def test_the_review_is_a_sheet_of_the_workbook(tmp_path: Path) -> None:
    import openpyxl

    plan = with_words(tmp_path, ["文具店"], 'unknown_kinds = "review"\n')
    assert main(["run", str(plan), "--out", str(tmp_path / "out"), "--lang", "zh"]) == 0
    book = openpyxl.load_workbook(tmp_path / "out/toy/workbook.xlsx")
    rows = [list(row) for row in book["待核实"].iter_rows(values_only=True)]
    assert "类型原文" in rows[0][3] and rows[1][3] == "文具店"
