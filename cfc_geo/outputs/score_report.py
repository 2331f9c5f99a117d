"""What `cfc-geo score` leaves behind, and what a run with `[scorecard]` writes of it: tables, plot, page, words."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from cfc_geo.model import Result, Scorecard
from cfc_geo.outputs import score_words as words
from cfc_geo.outputs.folder import check_named_folder, renewed
from cfc_geo.outputs.lorenz_plot import lorenz_svg
from cfc_geo.outputs.provenance import PROGRAM, RUN_RECORD, scorecard_record, versions, write_record
from cfc_geo.outputs.score_map import draw_scores
from cfc_geo.outputs.score_tables import readable_equity, score_sheets, score_tables, summed
from cfc_geo.outputs.spreadsheet import Pen, workbook_bytes
from cfc_geo.outputs.tables import markdown, write_csv
from cfc_geo.questions.scorecard.judge import fallen

SHOWN_MISSED, SHOWN_EQUITY = 60, 12


def check_score_folder(plan_file: Path, out_dir: Path) -> Path:
    """The folder it goes to, `out_dir/<plan>.score`. Raises `OutputError` as `check_folder` does."""
    return check_named_folder(plan_file, out_dir, f"{plan_file.stem}.score")


def write_score(result: Result, scorecard: Scorecard, changed: pd.DataFrame, out_dir: Path, lang: str) -> Path:
    """Write everything about a scorecard and return the folder: whole, in the place of an old one, or not at all.

    `changed`: what another version of the targets or norms alone does (`tables.CHANGED_COLUMNS`); no rows: not asked.
    """
    folder = check_score_folder(result.plan.file, out_dir)
    with renewed(folder) as new:
        for name, table in score_tables(scorecard, lang).items():
            write_csv(table, new / name)
        if len(changed):
            write_csv(changed, new / "changes.csv")
        write_score_pages(result, scorecard, changed, (new / "map.html", new / "summary.md"), lang)
        (new / "scorecard.xlsx").write_bytes(_workbook(scorecard, lang))
        record = {
            "program": PROGRAM,
            "verb": "score",
            "plan": {"name": result.plan.name, "file": result.plan.file.name},
            "versions": versions(),
            "scorecard": scorecard_record(scorecard),
            "targets": [{"plan": plan.id, "version": plan.version, "draft": plan.draft} for plan in scorecard.plans],
            "inputs": [{"role": of.role, "file": of.file, "sha256": of.sha256} for of in result.study.sources],
            "counts": {plan.id: summed(scorecard, plan.id) for plan in scorecard.plans},
        }
        write_record(record, new / RUN_RECORD, list(new.iterdir()))
    return folder


def write_score_pages(
    result: Result, scorecard: Scorecard, changed: pd.DataFrame, pages: tuple[Path, Path], lang: str
) -> None:
    """`pages`: the map and the words; beside them a plot of Lorenz curves for every level of units."""
    drawn, told = pages
    drawn.write_text(draw_scores(result, scorecard, lang), encoding="utf-8", newline="\n")
    for number, level in enumerate(dict.fromkeys(scorecard.equity["level"]), start=1):
        (told.parent / f"lorenz-{number}.svg").write_text(
            lorenz_svg(result, str(level), lang), encoding="utf-8", newline="\n"
        )
    told.write_text("\n".join(summary(scorecard, changed, lang)) + "\n", encoding="utf-8", newline="\n")


def headline(scorecard: Scorecard, lang: str) -> list[str]:
    """A line a plan."""
    return [
        words.say(
            "headline", lang, name=getattr(plan, lang), draft=words.draft(plan, lang),
            **summed(scorecard, plan.id),
        )
        for plan in scorecard.plans
    ]  # fmt: skip


def summary(scorecard: Scorecard, changed: pd.DataFrame, lang: str) -> list[str]:
    """The page of words, in Markdown."""
    sections = [
        ("summary", headline(scorecard, lang)),
        ("missed", list(_missed(scorecard, lang))),
        ("fell", list(_fell(scorecard, lang))),
        *([("changed", list(_changed(scorecard, changed, lang)))] if len(changed) else []),
        ("equity", list(_equity(scorecard, lang))),
        ("lacking", list(_lacking(scorecard, lang))),
    ]
    lines = [f"# {words.say('title', lang, year=scorecard.year)}"]
    for name, rows in sections:
        lines += ["", f"## {words.say(f'section.{name}', lang)}", ""]
        lines += [f"- {markdown(row)}" for row in rows] or [words.say("none", lang)]
    return lines


def _missed(scorecard: Scorecard, lang: str) -> Iterator[str]:
    known = words.by_id(scorecard)
    scores = scorecard.scores[(scorecard.scores["status"] == "missed") & scorecard.scores["counted"].astype(bool)]
    for row in scores.head(SHOWN_MISSED).itertuples():
        plan, target = known[row.plan_id, row.target_id]
        yield words.say(
            "missed", lang, draft=words.draft(plan, lang), id=target.id, name=words.target_named(target, lang),
            measured=words.found(row, lang),
            target=words.asked(row, lang), office=words.lead_office(target, lang),
        )  # fmt: skip


def _fell(scorecard: Scorecard, lang: str) -> Iterator[str]:
    known = words.by_id(scorecard)
    for row in fallen(scorecard.scores).itertuples():
        _, target = known[row.plan_id, row.target_id]
        yield words.say(
            "fell", lang, id=target.id, name=words.target_named(target, lang), before=words.number(row.earlier),
            after=words.found(row, lang),
        )  # fmt: skip


def _changed(scorecard: Scorecard, changed: pd.DataFrame, lang: str) -> Iterator[str]:
    for row in changed.itertuples():
        before, after = (
            " ".join(part for part in (asked, words.say(f"status.{status}", lang) if status else "") if part)
            or words.say("absent", lang)
            for asked, status in ((row.asked_before, row.status_before), (row.asked_after, row.status_after))
        )
        yield words.say("changed", lang, id=row.target_id, name=row.target_name, before=before, after=after)


def _equity(scorecard: Scorecard, lang: str) -> Iterator[str]:
    table = readable_equity(scorecard.equity, lang).sort_values("gini", ascending=False, kind="stable")
    for row in table[table["gini"].notna()].head(SHOWN_EQUITY).itertuples():
        yield words.say(
            "equity.line", lang, kind=row.kind, level=row.level, best=row.best_unit, best_share=f"{row.best_share:.0%}",
            worst=row.worst_unit, worst_share=f"{row.worst_share:.0%}", gap=f"{row.unit_gap:.0%}",
            gini=f"{row.gini:.2f}", fifth=f"{row.worst_fifth_share:.0%}",
        )  # fmt: skip


def _lacking(scorecard: Scorecard, lang: str) -> Iterator[str]:
    """What is missing, and for how many targets."""
    wanted: dict[str, list[str]] = {}
    lacking = scorecard.scores[scorecard.scores["why_not"] == "lacking"]
    for key in zip(lacking["plan_id"], lacking["target_id"], strict=True):
        for lack in scorecard.lacking.get(key, ()):
            wanted.setdefault(words.lacks([lack], lang), []).append(key[1])
    for said, ids in sorted(wanted.items(), key=lambda one: (-len(one[1]), one[0])):
        yield words.say("needed", lang, lack=said, count=len(ids), ids=words.say("or", lang).join(ids[:8]))


def _workbook(scorecard: Scorecard, lang: str) -> bytes:
    def draw(pen: Pen) -> None:
        for sheet in score_sheets(scorecard, lang):
            pen.sheet(sheet)

    return workbook_bytes(words.say("title", lang, year=scorecard.year), lang, draw)
