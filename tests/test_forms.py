"""Forms as an office meets them: filled in by openpyxl as in a spreadsheet program, moved about, and sent back."""

import math
import re
import shutil
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from cfc_geo.cli import main
from cfc_geo.errors import Findings, OutputError, PlanError
from cfc_geo.forms import ANSWER_KEY, ASKED, SAID, columns_of, marker, range_of, requirement, rows_by_office
from cfc_geo.inputs.forms import Told, read_forms
from cfc_geo.inputs.formulas import cells_without_value
from cfc_geo.model import Answer
from cfc_geo.outputs.folder import MAX_NAME_BYTES, RESERVED, UNSAFE
from cfc_geo.outputs.forms import _file_names, form_bytes, forms_of, write_forms
from cfc_geo.targets import TargetPlan, load_targets
from tests.targets_toy import TOY, toy_targets
from tests.toyplan import PLAN, write_toy

HEALTH, WOMEN, NOBODY = "区卫健局.xlsx", "区妇联.xlsx", "未列责任单位.xlsx"
YEAR = 2025
FILLED: dict[str, dict[str, Any]] = {
    "T-share": {"value": 91.5, "year": 2024, "source": "妇幼统计年报"},
    "T-rises": {"value": 52, "year": 2024, "earlier": 50.5, "earlier_year": 2021, "source": "体质监测"},
    "T-points": {"value": -0.2, "year": 2024, "source": "近视监测"},
    "T-yes": {"done": "进行中"},
    "Q-plan": {"done": "是", "document": "鹿政发〔2023〕5号", "date": date(2023, 5, 6), "link": "https://a.gov.cn/1"},
}
TOLD = {
    ("toy", "T-share"): Answer(91.5, "", "妇幼统计年报; 2024"),
    ("toy", "T-rises"): Answer(52.0, "", "体质监测; 2024"),
    ("toy", "T-points"): Answer(-0.2, "", "近视监测; 2024"),
    ("toy", "T-yes"): Answer(math.nan, "no", ""),
    ("toy", "Q-plan"): Answer(math.nan, "yes", "鹿政发〔2023〕5号; 2023-05-06; https://a.gov.cn/1"),
}


class Office:
    """A form in the hands of an office."""

    def __init__(self, path: Path) -> None:
        self.path, self.book = path, openpyxl.load_workbook(path)

    def sheet(self, of: str) -> Any:
        return next(page for page in self.book if any(cell.value == marker(of) for row in page.rows for cell in row))

    def columns(self, page: Any) -> dict[str, int]:
        row = next(row for row in page.rows if any(str(cell.value).startswith("cfc_geo.form") for cell in row))
        names = {str(cell.value): cell.column for cell in row if cell.value is not None}
        return {"mark" if name.startswith("cfc_geo") else name: column for name, column in names.items()}

    def cell(self, target: str, column: str) -> Any:
        for page in self.book:
            for row in page.iter_rows():
                if any(cell.value == target for cell in row):
                    return page.cell(row[0].row, self.columns(page)[column])
        raise KeyError(target)

    def fill(self, filled: dict[str, dict[str, Any]]) -> "Office":
        for target, cells in filled.items():
            for column, value in cells.items():
                self.cell(target, column).value = value
        return self

    def send(self, path: Path | None = None) -> Path:
        self.book.save(path or self.path)
        return path or self.path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[TargetPlan, Path]:
    folder = tmp_path_factory.mktemp("forms")
    plan = toy_targets(folder)
    return plan, write_forms(folder / "place.toml", [plan], folder / "out", "zh")[0]


@pytest.fixture
def plan(written: tuple[TargetPlan, Path]) -> TargetPlan:
    return written[0]


@pytest.fixture
def office(written: tuple[TargetPlan, Path], tmp_path: Path) -> Office:
    return Office(Path(shutil.copy(written[1] / HEALTH, tmp_path)))


def read(plan: TargetPlan, *paths: Path) -> tuple[Told, Findings]:
    findings = Findings()
    return read_forms(paths, [plan], findings, year=YEAR), findings


def codes(findings: Findings) -> set[tuple[str, str]]:
    return {(finding.severity, finding.code) for finding in findings}


def same(answers: dict[Any, Answer], others: dict[Any, Answer]) -> bool:
    return repr(sorted(answers.items())) == repr(sorted(others.items()))


# -------------------------------------------------------------------------------------------------------------- written


def test_an_office_gets_the_rows_that_it_leads_and_no_others(written: tuple[TargetPlan, Path]) -> None:
    plan, folder = written
    assert {path.name for path in folder.iterdir()} == {HEALTH, WOMEN, NOBODY, "run.json"}
    assert {office: [row.target.id for row in rows] for office, rows in rows_by_office([plan]).items()} == {
        "区卫健局": ["T-share", "T-rises", "T-yes", "Q-plan", "T-points"], "区妇联": ["T-count"], "": ["T-rate"],
    }  # fmt: skip
    office = Office(folder / HEALTH)
    assert office.book.sheetnames == ["说明", "数据", "清单"]
    assert Office(folder / WOMEN).book.sheetnames == ["说明", "数据"]
    assert office.cell("T-share", "with").value == "区妇联"
    assert office.cell("T-share", "asked").value == "不少于 90 %（含），2025 年底前"
    assert office.cell("T-share", "of").value == "辖区 3 岁以下婴幼儿；妇幼统计年报"
    assert office.cell("T-share", "plan").value == "玩具区儿童友好规划（征求意见稿）"
    assert Office(folder / WOMEN).cell("T-count", "asked").value == "不少于 1,200 个（含），每年"
    assert [requirement(target, "en") for target in plan.targets][:3] == [
        "at least 90 %, by the end of 2025", "at least 1,200, every year", "more than before",
    ]  # fmt: skip


def test_cells_to_be_filled_in_are_open_and_checked_and_all_others_locked(written: tuple[TargetPlan, Path]) -> None:
    office = Office(written[1] / HEALTH)
    for of in SAID:
        page = office.sheet(of)
        columns = office.columns(page)
        assert page.protection.sheet and page.protection.password is None
        assert page.protection.sort and page.protection.autoFilter  # what is locked would stay behind
        assert page.freeze_panes == "F3" and page.print_title_rows == "$1:$2"
        assert (page.page_setup.orientation, page.page_setup.paperSize) == ("landscape", 9)
        assert page.sheet_properties.pageSetUpPr.fitToPage and page.page_setup.fitToHeight == 0
        assert page.row_dimensions[1].hidden and page.column_dimensions["A"].hidden
        for number in range(3, page.max_row + 1):
            trend = page.cell(number, columns["target_id"]).value == "T-rises"
            for name in columns.keys() & {*SAID[of], *ASKED[of]}:
                cell = page.cell(number, columns[name])
                is_open = name in ASKED[of] and (trend or not name.startswith("earlier"))
                assert cell.protection.locked is not is_open, (number, name)
                assert (cell.fill.fgColor.rgb == "FFFFF8DC") is is_open
            key = page.cell(number, columns[ANSWER_KEY])
            assert not key.protection.locked and page.column_dimensions[key.column_letter].hidden
            assert columns[ASKED[of][0]] < key.column < columns[ASKED[of][-1]]
    rules = {target: rule_of(office.cell(target, "value")) for target in ("T-share", "T-points")}
    assert rules == {"T-share": ("decimal", "between", "0", "100"), "T-points": ("decimal", "between", "-100", "100")}
    assert rule_of(Office(written[1] / WOMEN).cell("T-count", "value"))[:3] == ("whole", "greaterThanOrEqual", "0")
    assert rule_of(Office(written[1] / NOBODY).cell("T-rate", "value"))[:3] == ("decimal", "greaterThanOrEqual", "0")
    assert rule_of(office.cell("T-rises", "earlier_year")) == ("whole", "between", "2000", "2100")
    assert rule_of(office.cell("Q-plan", "done"))[2] == '"是,否,进行中"'
    assert rule_of(office.cell("Q-plan", "date"))[0] == "date"
    assert office.cell("T-share", "value").number_format == 'General"%"'


def rule_of(cell: Any) -> tuple[str, str, str, str]:
    rule = next(one for one in cell.parent.data_validations.dataValidation if cell.coordinate in one.sqref)
    return rule.type, rule.operator or "between", rule.formula1, rule.formula2


def test_the_same_rows_give_the_same_bytes_and_no_text_becomes_a_formula(tmp_path: Path) -> None:
    hostile = TOY.replace('zh = "婴幼儿体检率"', "zh = '=HYPERLINK(\"http://x\")&<b>'").replace("区卫健局", "=1+1")
    plan = toy_targets(tmp_path, hostile)
    form, *_ = forms_of([plan], "zh")
    content = form_bytes(form, "zh")
    assert content == form_bytes(form, "zh")
    (tmp_path / "form.xlsx").write_bytes(content)
    for page in openpyxl.load_workbook(tmp_path / "form.xlsx"):
        assert not [cell for row in page.rows for cell in row if cell.data_type == "f" or cell.hyperlink]
    with zipfile.ZipFile(tmp_path / "form.xlsx") as archive:
        assert not [name for name in archive.namelist() if b"<f>" in archive.read(name)]
    told, findings = read(plan, Office(tmp_path / "form.xlsx").fill(FILLED).send())
    assert same(told.answers, TOLD) and not findings


def test_offices_make_safe_names_of_files_that_differ() -> None:
    hostile = [
        "../../etc/passwd", "CON", "a/b", "a:b", "A:B", "  ", "局\u202e长", "." * 5, "局" * 300, "局" * 301, "~$x",
        "run",
    ]  # fmt: skip
    names = _file_names(hostile)
    assert len({name.casefold() for name in names}) == len(hostile)
    for name in names:
        assert not UNSAFE.search(name) and name.isprintable() and name[0] not in ".~ " and name.endswith(".xlsx")
        assert len(name.encode()) <= MAX_NAME_BYTES and name.split(".")[0].casefold() not in RESERVED
    assert names[2:5] == ["a_b.xlsx", "a_b-2.xlsx", "A_B-3.xlsx"]


def test_a_form_that_was_filled_in_is_never_overwritten(tmp_path: Path) -> None:
    plan = toy_targets(tmp_path)
    folder, _ = write_forms(tmp_path / "place.toml", [plan], tmp_path / "out", "zh")
    write_forms(tmp_path / "place.toml", [plan], tmp_path / "out", "en")
    assert (folder / "no office named.xlsx").exists() and not (folder / NOBODY).exists()
    before = Office(folder / HEALTH).fill(FILLED).send().read_bytes()
    with pytest.raises(OutputError, match="filled in or changed: 区卫健局"):
        write_forms(tmp_path / "place.toml", [plan], tmp_path / "out", "zh")
    assert (folder / HEALTH).read_bytes() == before
    only_layers = plan.model_copy(update={"targets": [one for one in plan.targets if one.rows == "S"]})
    with pytest.raises(PlanError, match="no row that an office fills in"):
        write_forms(tmp_path / "place.toml", [only_layers], tmp_path / "other", "zh")
    assert not (tmp_path / "other").exists()


# ------------------------------------------------------------------------------------------------------------ read back


def test_what_an_office_fills_in_comes_back(plan: TargetPlan, office: Office) -> None:
    told, findings = read(plan, office.fill(FILLED).send())
    assert same(told.answers, TOLD) and told.earlier == {("toy", "T-rises"): 50.5}
    assert not findings


def test_rows_may_be_sorted_and_others_put_between_them(plan: TargetPlan, office: Office) -> None:
    office.fill(FILLED)
    page = office.sheet("figures")
    rows = [[cell.value for cell in row] for row in page.iter_rows(min_row=3)]
    for number, values in enumerate(reversed(rows), start=3):
        for column, value in enumerate(values, start=1):
            page.cell(number, column).value = value
    page.insert_rows(4)
    page.insert_rows(1, 2)
    page.insert_cols(2)
    page.title = "数据（已填）"
    told, findings = read(plan, office.send())
    assert same(told.answers, TOLD) and told.earlier == {("toy", "T-rises"): 50.5}
    assert not findings


def test_a_blank_form_says_nothing_and_one_in_english_says_the_same(plan: TargetPlan, tmp_path: Path) -> None:
    form = forms_of([plan], "en")[0]
    path = tmp_path / "form.xlsx"
    path.write_bytes(form_bytes(form, "en"))
    assert read(plan, path) == (Told({}, {}), [])
    filled = {**FILLED, "T-yes": {"done": "Under way"}, "Q-plan": {**FILLED["Q-plan"], "done": "YES"}}
    told, findings = read(plan, Office(path).fill(filled).send())
    assert same(told.answers, TOLD) and not findings


def test_texts_of_numbers_and_dates_are_read_as_people_write_them(plan: TargetPlan, office: Office) -> None:
    office.fill(FILLED).fill({
        "T-share": {"value": "９１．５％", "year": "2024年"}, "T-rises": {"earlier": " 50.5 % "},
        "Q-plan": {"date": "2023年5月6日"}, "T-points": {"value": "/"},
    })  # fmt: skip
    told, findings = read(plan, office.send())
    assert not findings
    assert same(told.answers, {key: value for key, value in TOLD.items() if key[1] != "T-points"})


WRONG: dict[str, tuple[dict[str, dict[str, Any]], str, str]] = {
    "text": ({"T-share": {"value": "约九成"}}, "error", "form.not_a_number"),
    "footnote": ({"T-share": {"value": "91①"}}, "error", "form.not_a_number"),
    "other unit": ({"T-points": {"value": "2%"}}, "error", "form.not_a_number"),
    "range": ({"T-share": {"value": 100.1}}, "error", "form.out_of_range"),
    "share": ({"T-share": {"value": 0.915}}, "error", "form.share"),
    "earlier share": ({"T-rises": {"earlier": 1}}, "error", "form.share"),
    "no year": ({"T-share": {"year": None}}, "error", "form.year_missing"),
    "no earlier year": ({"T-rises": {"earlier_year": None}}, "error", "form.year_missing"),
    "future": ({"T-share": {"year": 2026}}, "error", "form.year"),
    "short year": ({"T-share": {"year": 24}}, "error", "form.year"),
    "not earlier": ({"T-rises": {"earlier_year": 2024}}, "error", "form.not_earlier"),
    "no source": ({"T-share": {"source": None}}, "warning", "form.no_source"),
    "no evidence": ({"Q-plan": {"document": None, "link": None}}, "warning", "form.no_evidence"),
    "choice": ({"Q-plan": {"done": "也许"}}, "error", "form.choice"),
    "date": ({"Q-plan": {"date": "去年"}}, "error", "form.date"),
    "year as a date": ({"Q-plan": {"date": date(1905, 7, 15)}}, "error", "form.date"),
    "future document": ({"Q-plan": {"date": date(2026, 1, 1)}}, "error", "form.date"),
    "formula": ({"T-share": {"value": "=900/10"}}, "error", "form.formula"),
    "unit": ({"T-share": {"unit": "‰"}}, "error", "form.changed"),
    "requirement": ({"T-share": {"asked": "不少于 80 %"}}, "error", "form.changed"),
    "id": ({"T-share": {"target_id": "T-shore"}}, "error", "form.unknown_row"),
    "computed": ({"T-share": {"target_id": "S-parks"}}, "error", "form.unknown_row"),
    "other sheet": ({"T-share": {"target_id": "Q-other"}, "Q-plan": {"target_id": "T-share"}}, "error",
                    "form.unknown_row"),
    "other plan": ({"T-share": {"plan_id": "lucheng"}}, "warning", "form.other_plan"),
    "version": ({"T-share": {"version": "2023", "asked": "不少于 80 %"}}, "warning", "form.version"),
    "unit of a version": ({"T-share": {"version": "2023", "unit": "‰"}}, "error", "form.changed"),
    "no key": ({"T-share": {"mark": None}}, "warning", "form.no_key"),
    "column": ({"mark_row": {}}, "error", "form.columns_gone"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_place(case: str, plan: TargetPlan, office: Office) -> None:
    wrong, severity, code = WRONG[case]
    office.fill(FILLED)
    if code == "form.columns_gone":
        page = office.sheet("figures")
        page.cell(1, office.columns(page)["year"]).value = None
        wrong = {}
    else:
        office.fill(wrong)
    _, findings = read(plan, office.send())
    found = [finding for finding in findings if finding.code == code]
    assert found and {finding.severity for finding in found} == {severity}, codes(findings)
    others = {("warning", "form.version")} if case == "unit of a version" else set()
    assert codes(findings) - {(severity, code)} == others
    assert str(office.path) in found[0].text("zh")
    assert found[0].sheet in ("数据", "清单") or code in ("form.other_plan", "form.version")


def test_of_another_version_what_means_the_same_is_read(plan: TargetPlan, office: Office) -> None:
    office.fill(FILLED).fill({"T-share": {"version": "2023", "asked": "不少于 80 %"}, "T-yes": {"version": "2023"}})
    office.cell("T-yes", "target_id").value = "T-gone"
    told, findings = read(plan, office.send())
    assert told.answers["toy", "T-share"].value == 91.5 and ("toy", "T-yes") not in told.answers
    assert [finding.code for finding in findings] == ["form.version"]


def test_a_percentage_below_one_is_asked_about_until_the_office_says_so(plan: TargetPlan, office: Office) -> None:
    office.fill({"T-share": {"value": 0.85, "year": 2024, "source": "年报"}})
    told, findings = read(plan, office.send())
    assert told.answers == {} and "0.85%，也可能是 85%" in findings[0].text("zh")
    told, findings = read(plan, office.fill({"T-share": {"remarks": "核对过，确为0.85％"}}).send())
    assert told.answers["toy", "T-share"].value == 0.85 and not findings
    told, findings = read(plan, office.fill({"T-share": {"remarks": "比上年高10.85%"}}).send())
    assert codes(findings) == {("error", "form.share")}
    told, findings = read(plan, office.fill({"T-share": {"value": 0}}).send())
    assert told.answers["toy", "T-share"].value == 0 and not findings


@pytest.fixture
def rates(tmp_path: Path) -> tuple[TargetPlan, Office]:
    """A gross rate, and the decline of one."""
    text = TOY.replace("婴幼儿体检率", "学前三年的毛入园率").replace("体质达标优良率", "儿童伤害死亡率比2020年的降幅")
    plan = toy_targets(tmp_path, text)
    path = tmp_path / "rates.xlsx"
    path.write_bytes(form_bytes(forms_of([plan], "zh")[0], "zh"))
    return plan, Office(path)


def test_gross_rates_exceed_all_and_declines_may_be_rises(rates: tuple[TargetPlan, Office]) -> None:
    plan, office = rates
    assert rule_of(office.cell("T-share", "value"))[1:] == ("between", "0", "300")
    assert rule_of(office.cell("T-rises", "value"))[1:] == ("between", "-100", "100")
    office.fill(FILLED).fill({"T-share": {"value": 103.5}, "T-rises": {"value": -5}})
    told, findings = read(plan, office.send())
    assert (told.answers["toy", "T-share"].value, told.answers["toy", "T-rises"].value) == (103.5, -5)
    assert not findings
    _, findings = read(plan, office.fill({"T-share": {"value": 300.1}, "T-rises": {"value": 101}}).send())
    assert [finding.code for finding in findings] == ["form.out_of_range"] * 2
    assert "0 到 300 之间" in findings[0].text("zh") and "-100 到 100 之间" in findings[1].text("zh")
    _, findings = read(plan, office.fill({"T-share": {"value": 1.035}, "T-rises": {"value": -0.05}}).send())
    assert [finding.code for finding in findings] == ["form.share"] * 2
    assert "也可能是 103.5%" in findings[0].text("zh") and "也可能是 -5%" in findings[1].text("zh")
    office.fill({"T-share": {"value": 99}, "T-rises": {"remarks": "确为 -0.05%"}})
    told, findings = read(plan, office.send())
    assert told.answers["toy", "T-rises"].value == -0.05 and not findings
    assert codes(read(plan, office.fill({"T-rises": {"value": 0.05}}).send())[1]) == {("error", "form.share")}


def test_which_targets_of_the_catalogue_are_gross_rates_or_declines() -> None:
    plans = [load_targets(name) for name in ("meizhou", "zhoucun", "guangxi", "shanxi", "lucheng")]
    ranges = {target.id: range_of(target) for plan in plans for target in plan.targets if target.unit in ("%", "‰")}
    assert {id for id, one in ranges.items() if one.most == 300} == {"MZ-071", "GX-015", "LC-044"}
    assert {id for id, one in ranges.items() if one.least != 0} == {"MZ-111"}
    shuttle = plans[0].targets[0].model_copy(update={"unit": "%", "zh": "羽毛球馆普及率"})
    assert range_of(shuttle) == (0, 100, False)


LOST = {"columns": lambda page: page.delete_cols(1, 4), "first row": lambda page: page.delete_rows(1)}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("of", SAID)
def test_a_sheet_that_lost_its_marks_is_an_error(lost: str, of: str, plan: TargetPlan, office: Office) -> None:
    LOST[lost](office.fill(FILLED).sheet(of))
    office.book.create_sheet("Sheet1")
    told, findings = read(plan, office.send())
    assert told.answers
    assert [(finding.severity, finding.code) for finding in findings] == [("error", "form.sheet_unmarked")]
    assert findings[0].sheet == {"figures": "数据", "checklist": "清单"}[of]


def test_answers_that_left_their_rows_are_errors_that_name_both(plan: TargetPlan, office: Office) -> None:
    page = office.fill(FILLED).sheet("figures")
    first, last = (office.columns(page)[name] for name in (ASKED["figures"][0], ASKED["figures"][-1]))
    for column in range(first, last + 1):
        three, four = page.cell(3, column), page.cell(4, column)
        three.value, four.value = four.value, three.value
    told, findings = read(plan, office.send())
    assert set(told.answers) == {("toy", "T-points"), ("toy", "T-yes"), ("toy", "Q-plan")}
    assert [finding.code for finding in findings] == ["form.moved"] * 2
    for finding, row, names in zip(findings, (3, 4), (("T-share", "T-rises"), ("T-rises", "T-share")), strict=True):
        assert sorted(finding.rows) == [3, 4]
        assert f"row {row} is of toy:{names[0]}, but its answer bears the key of toy:{names[1]}" in finding.text("en")


def test_an_answer_that_was_written_anew_needs_no_key_of_its_own(plan: TargetPlan, office: Office) -> None:
    office.fill(FILLED).fill({"T-share": {ANSWER_KEY: None}})
    told, findings = read(plan, office.send())
    assert same(told.answers, TOLD) and not findings
    _, findings = read(plan, office.fill({"T-share": {ANSWER_KEY: "年报"}}).send())
    assert codes(findings) == {("error", "form.moved")}


def test_the_columns_of_a_sheet_are_all_different() -> None:
    for of in SAID:
        assert len(set(columns_of(of))) == len(columns_of(of)) and {*SAID[of], *ASKED[of]} < set(columns_of(of))


PERSONS = (
    "张三 13800138000", "138-0013-8000", "+86 138 0013 8000", "１３８００１３８０００", "0577-88881234",
    "(0577)88881234", "110101199003071234", "110101 19900307 123X", "a.b@example.gov.cn", 13800138000,
)  # fmt: skip
DOCUMENTS = (
    "鹿政发〔2023〕138号", "https://www.gov.cn/zhengce/content/202306/content_6887654321.htm", "2023-05-06",
    "统计年鉴2021-2023", "91330302MA2ABCDE1X", "http://a.gov.cn/art/2021/6/30/art_1229410_59073201.html",
)  # fmt: skip


def test_a_persons_contact_is_refused_in_any_cell_and_never_printed(plan: TargetPlan, office: Office) -> None:
    office.fill(FILLED).fill({"T-share": {"remarks": PERSONS[0]}, "T-points": {"value": PERSONS[-1]}})
    for number, text in enumerate((*PERSONS, *DOCUMENTS), start=20):
        office.book["说明"].cell(number, 1).value = text
    told, findings = read(plan, office.send())
    assert {finding.code for finding in findings} == {"form.contact"}
    placed = [(finding.sheet, finding.values["cell"]) for finding in findings]
    cells = [office.cell("T-share", "remarks"), office.cell("T-points", "value")]
    assert placed == [
        *(("说明", f"A{20 + number}") for number in range(len(PERSONS))), *(("数据", cell.coordinate) for cell in cells)
    ]  # fmt: skip
    said = "\n".join(finding.text(lang) for finding in findings for lang in ("zh", "en"))
    assert not any(str(text) in said for text in PERSONS)
    assert not {("toy", "T-share"), ("toy", "T-points")} & set(told.answers)


def test_two_offices_may_answer_one_row_alike_but_not_apart(plan: TargetPlan, office: Office, tmp_path: Path) -> None:
    first = office.fill(FILLED).send(tmp_path / "first.xlsx")
    alike = office.fill({"T-share": {"source": "另一份年报"}}).send(tmp_path / "alike.xlsx")
    told, findings = read(plan, first, alike)
    assert same(told.answers, TOLD) and not findings
    apart = office.fill({"T-share": {"value": 88}}).send(tmp_path / "apart.xlsx")
    _, findings = read(plan, first, apart)
    assert [finding.code for finding in findings] == ["form.twice"]
    assert "first.xlsx, sheet 数据, row 3" in findings[0].text("en") and "apart.xlsx" in findings[0].text("en")


def test_a_formula_whose_result_was_saved_is_a_figure(plan: TargetPlan, office: Office) -> None:
    path = office.fill(FILLED).fill({"T-share": {"value": "=900/10"}}).send()
    place = office.cell("T-share", "value").coordinate
    assert cells_without_value(path) == {("数据", place)}
    bare = cell_of(path, place)
    rewrite(path, bare, re.sub(b"<v.*</c>", b"<v>90</v></c>", bare))
    told, findings = read(plan, path)
    assert told.answers["toy", "T-share"].value == 90 and not findings
    rewrite(path, cell_of(path, place), f'<c r="{place}" t="e"><v>#N/A</v></c>'.encode())
    assert cells_without_value(path) == {("数据", place)}
    assert ("error", "form.formula") in codes(read(plan, path)[1])


FIGURES_PART = "xl/worksheets/sheet2.xml"


def cell_of(path: Path, place: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        found = re.search(f'<c r="{place}".*?</c>'.encode(), archive.read(FIGURES_PART))
    assert found is not None
    return found[0]


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[FIGURES_PART] = parts[FIGURES_PART].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def others(folder: Path) -> Iterator[tuple[Path, str]]:
    book = openpyxl.Workbook()
    book.active.append(["编号", "数值"])
    book.save(folder / "other.xlsx")
    (folder / "text.xlsx").write_text("id,value\n", encoding="utf-8")
    (folder / "broken.xlsx").write_bytes((folder / "other.xlsx").read_bytes()[:3000])
    yield folder / "other.xlsx", "form.not_ours"
    yield folder / "text.xlsx", "form.not_xlsx"
    yield folder / "broken.xlsx", "form.not_xlsx"
    yield folder / "absent.xlsx", "read.no_file"


def test_files_that_are_no_forms_are_refused_all_at_once(plan: TargetPlan, office: Office, tmp_path: Path) -> None:
    wrong = dict(others(tmp_path))
    told, findings = read(plan, *wrong, office.fill(FILLED).send())
    assert [finding.code.removesuffix("_near") for finding in findings.errors] == list(wrong.values())
    assert same(told.answers, TOLD)


def has_spreadsheets() -> bool:
    """Whether LibreOffice is here, with its spreadsheets."""
    found = shutil.which("soffice")
    return found is not None and (Path(found).resolve().parent / "libsclo.so").exists()


@pytest.mark.skipif(not has_spreadsheets(), reason="this machine has no LibreOffice Calc")
@pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="this machine has no pdfinfo")
def test_a_form_prints_on_a4_a_page_a_sheet(written: tuple[TargetPlan, Path], tmp_path: Path) -> None:
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    print_it = ["soffice", home, "--headless", "--convert-to", "pdf", "--outdir", tmp_path, written[1] / HEALTH]
    subprocess.run(print_it, check=True, capture_output=True, timeout=120)
    told = subprocess.run(["pdfinfo", tmp_path / f"{Path(HEALTH).stem}.pdf"], capture_output=True, check=True).stdout
    assert b"Pages:           3" in told and b"841.89 x 595" in told


# --------------------------------------------------------------------------------------------------------- command line


def test_the_command_writes_the_forms_of_the_targets_it_is_given_or_of_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_targets(tmp_path)
    plan, out = write_toy(tmp_path), tmp_path / "out"
    given = ["form", str(plan), "--out", str(out), "--lang", "zh"]
    assert main(given) == 2 and "--targets" in capsys.readouterr().err
    assert main([*given, "--targets", str(tmp_path / "targets.toml")]) == 0
    told = capsys.readouterr().out
    for lang in ("zh", "en"):
        assert main([*given[:-1], lang, "--targets", str(tmp_path / "targets.toml")]) == 0
        line = capsys.readouterr().out.splitlines()[-1]
        assert tomllib.loads(f"[scorecard]\n{line}") == {"scorecard": {"forms": [{"file": "…xlsx"}]}}
    assert main([*given, "--targets", str(tmp_path / "targets.toml")]) == 0
    assert "3 份填报表" in told and "区卫健局.xlsx：数据 3 行，清单 2 行" in told
    first = (out / "toy.forms" / HEALTH).read_bytes()
    plan.write_text(PLAN + '[scorecard]\ntargets = [{ file = "targets.toml" }]\n', encoding="utf-8")
    assert main(given) == 0
    assert (out / "toy.forms" / HEALTH).read_bytes() == first
    assert main([*given, "--targets", "no such plan"]) == 1
    twice = ["--targets", str(tmp_path / "targets.toml")] * 2
    assert main([*given, *twice]) == 1
