"""What `cfc-geo site` leaves behind: tables, a plot, a page of words and the map of the scenario that was measured."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cfc_geo import catalog
from cfc_geo.outputs.folder import check_named_folder, renewed, write_map
from cfc_geo.outputs.front_plot import front_svg
from cfc_geo.outputs.provenance import PROGRAM, RUN_RECORD, finite, version_of, versions, write_record
from cfc_geo.outputs.tables import figure, text, write_csv
from cfc_geo.questions.siting.choose import mask
from cfc_geo.questions.siting.objectives import is_covered
from cfc_geo.siting.ask import bands_of
from cfc_geo.siting.find import Siting
from cfc_geo.tables import ALL_UNITS, ALTERNATIVE_COLUMNS, FRONT_COLUMNS, GAIN_COLUMNS, SITE_COLUMNS

SHOWN_UNITS = 6


def check_site_folder(plan_file: Path, kind: str, out_dir: Path) -> Path:
    """The folder an answer goes to, `out_dir/<plan>.site-<kind>`. Raises `OutputError` as `check_folder` does."""
    return check_named_folder(plan_file, out_dir, f"{plan_file.stem}.site-{kind}")


def write_siting(siting: Siting, out_dir: Path, lang: str) -> Path:
    """Write everything about an answer and return the folder: whole, in the place of an old one, or not at all."""
    folder = check_site_folder(siting.plan.file, siting.ask.kind, out_dir)
    with renewed(folder) as new:
        for name, table in tables(siting).items():
            write_csv(table, new / name)
        if siting.front:
            (new / "front.svg").write_text(front_svg(siting, lang), encoding="utf-8", newline="\n")
        (new / "summary.md").write_text("\n".join(summary(siting, lang)) + "\n", encoding="utf-8", newline="\n")
        write_map(siting.after, new / "map.html", lang)
        write_record(siting_record(siting), new / RUN_RECORD, list(new.iterdir()))
    return folder


def tables(siting: Siting) -> dict[str, pd.DataFrame]:
    """File name → table."""
    front = {"front.csv": front_table(siting)} if siting.front else {}
    return {
        "sites.csv": pd.DataFrame(siting.sites[list(SITE_COLUMNS)]),
        "alternatives.csv": alternatives_table(siting),
        "gain.csv": gain_table(siting),
        **front,
    }


def alternatives_table(siting: Siting) -> pd.DataFrame:
    """The answer and the next best ones (`tables.ALTERNATIVE_COLUMNS`)."""
    problem, ids = siting.problem, siting.site_ids
    had = float(problem.children[is_covered(problem, mask(problem, np.empty(0, dtype=int)))].sum())
    rows = []
    for rank, answer in enumerate((siting.answer, *siting.others), start=1):
        covered = float(problem.children[is_covered(problem, mask(problem, answer.opened))].sum())
        sites = " ".join(ids[answer.opened].tolist())
        cost = answer.cost if _costs_known(siting) else np.nan
        rows.append((rank, sites, answer.objective, cost, covered, covered - had, answer.status))
    return pd.DataFrame(rows, columns=list(ALTERNATIVE_COLUMNS))


def front_table(siting: Siting) -> pd.DataFrame:
    """What more would bring (`tables.FRONT_COLUMNS`)."""
    children = float(siting.problem.children.sum())
    rows = [
        (
            point.objective, point.allowed, len(point.opened), point.cost if _costs_known(siting) else np.nan,
            point.children, point.children / children if children else np.nan, point.worst_share,
            "optimal" if point.proved else "feasible",
        )
        for point in siting.front
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(FRONT_COLUMNS))


def gain_table(siting: Siting) -> pd.DataFrame:
    """Children of the kind, by unit and band, before and after, as the two runs measured them."""
    before, after = (
        result.coverage_by_unit[result.coverage_by_unit["kind"] == siting.ask.kind].reset_index(drop=True)
        for result in (siting.before, siting.after)
    )
    table = before[["unit_id", "unit_name", "level", "band", "children"]].assign(
        covered_before=before["covered"], covered_after=after["covered"],
        children_gained=after["covered"] - before["covered"],
    )  # fmt: skip
    asked = table["band"].isin(bands_of(siting.ask, siting.before.study))
    return table.loc[asked, list(GAIN_COLUMNS)].reset_index(drop=True)


def siting_record(siting: Siting) -> dict[str, Any]:
    """All that run.json says of an answer, apart from the files beside it."""
    ask, answer = siting.ask, siting.answer
    asked = asdict(ask) | {"candidates": None if ask.candidates is None else Path(ask.candidates.file).name}
    return {
        "program": PROGRAM,
        "verb": "site",
        "plan": {"name": siting.plan.name, "file": siting.plan.file.name},
        "versions": versions() | {"highs": version_of("highspy")},
        "asked": {key: list(value) if isinstance(value, tuple) else value for key, value in asked.items()},
        "bands": list(bands_of(ask, siting.before.study)),
        "limit_m": siting.problem.limit_m,
        "weights": siting.plan.siting.model_dump(mode="json"),
        "candidates": len(siting.candidates),
        "answer": {
            "status": answer.status,
            "objective": answer.objective,
            "bound": finite(answer.bound),
            "gap": finite(answer.gap),
            "greedy": finite(answer.greedy_objective),
            "seconds": round(answer.seconds, 3),
            "sites": siting.sites["facility_id"].tolist(),
        },
        "children_gained": gained(siting),
        "children_with_a_place": None
        if siting.placed_before is None
        else {"before": siting.placed_before, "after": float(answer.served.sum())},
        "timings_s": dict(siting.after.timings_s),
    }


def gained(siting: Siting) -> float:
    """Children of the bands asked about whom the measured scenario covers and the plan did not."""
    return float(_totals(siting)["children_gained"])


def _totals(siting: Siting) -> pd.Series:
    """The counts of `gain_table` over all bands, of the whole place."""
    table = gain_table(siting)
    return table.loc[table["unit_id"] == ALL_UNITS].sum(numeric_only=True)


def summary(siting: Siting, lang: str) -> list[str]:
    """The answer in words, line by line: what was asked, what is proved, who gains, who is out of reach, on what it
    rests."""
    ask, problem = siting.ask, siting.problem
    kind = catalog.kind_name(ask.kind, lang)
    join = _say("list", lang).join
    bands = join(catalog.band_name(band, lang) for band in bands_of(ask, siting.before.study))
    lines = [f"# {_say('summary.title', lang, kind=kind, plan=plain(siting.plan.name))}", ""]
    lines += [_say(f"objective.{ask.objective}", lang, kind=kind, limit=f"{problem.limit_m:,.0f}", bands=bands)]
    lines += [proved(siting, lang), ""]
    children = _number(_totals(siting)["children"])
    lines += [_say("summary.gain", lang, kind=kind, children=children, **_gain_told(siting)), ""]
    if (places := _places(siting)) is not None:
        lines += [_say("summary.places", lang, **places, children=children), ""]
    lines += [f"| {' | '.join(_say(f'summary.{key}', lang) for key in ('rank', 'id', 'place', 'adds', 'within'))} |"]
    lines += ["|---|---|---|---|---|"]
    for site in siting.sites.itertuples():
        place = join(part for part in (plain(site.unit_name), f"{site.lon:.5f}, {site.lat:.5f}") if part)
        name = f"{plain(site.facility_id)} {plain(site.name)}".strip()
        lines += [
            f"| {site.rank} | {name} | {place} | {_number(site.children_added)} | {_number(site.children_in_limit)} |"
        ]
    lines += ["", *_who_gains(siting, lang), *_out_of_reach(siting, lang), "", f"## {_say('summary.rests', lang)}", ""]
    lines += [f"- {sentence}" for sentence in _assumptions(siting, lang)]
    return lines


def proved(siting: Siting, lang: str) -> str:
    """How sure the answer is, in one sentence."""
    answer = siting.answer
    if answer.status == "optimal":
        return _say("proved", lang)
    if siting.ask.objective == "equity" and answer.gap == 0:
        return _say("worst_proved", lang)
    return _say("not_proved", lang, gap=f"{answer.gap:.1%}" if np.isfinite(answer.gap) else "?")


def headline(siting: Siting, lang: str) -> list[str]:
    """What the command line says: gain, proof, the worst unit."""
    lines = [_say("said.gain", lang, **_gain_told(siting)), proved(siting, lang)]
    if (places := _places(siting)) is not None:
        lines.append(_say("said.places", lang, **places))
    worst = [worst_share(siting, figure) for figure in ("covered_before", "covered_after")]
    if all(np.isfinite(worst)):
        lines.append(_say("said.worst", lang, before=f"{worst[0]:.1%}", after=f"{worst[1]:.1%}"))
    return lines


def worst_share(siting: Siting, figure: str) -> float:
    """Share covered of the unit of the lowest level that has the least, by children of all bands asked about."""
    table, units = gain_table(siting), siting.before.study.units
    leaves = set(units["unit_id"]) - set(units["parent_id"])
    sums = table[table["unit_id"].isin(leaves)].groupby("unit_id")[["children", figure]].sum()
    sums = sums[sums["children"] > 0]
    return float((sums[figure] / sums["children"]).min()) if len(sums) else float("nan")


def _gain_told(siting: Siting) -> dict[str, Any]:
    """Sites, children gained, and the shares covered before and after."""
    totals = _totals(siting)
    before, after = (_share(totals[name], totals["children"]) for name in ("covered_before", "covered_after"))
    return {"sites": len(siting.sites), "gained": _number(gained(siting)), "before": before, "after": after}


def _places(siting: Siting) -> dict[str, str] | None:
    """Children with a place within the limit, before and after; None where nobody asked about places."""
    if siting.placed_before is None:
        return None
    return {"before": _number(siting.placed_before), "after": _number(float(siting.answer.served.sum()))}


def _who_gains(siting: Siting, lang: str) -> list[str]:
    table = gain_table(siting)
    by = ["level", "unit_id", "unit_name"]  # two units may have one name
    by_unit = table[table["unit_id"] != ALL_UNITS].groupby(by, sort=False)["children_gained"].sum()
    lines = []
    for level in dict.fromkeys(by_unit.index.get_level_values("level")):
        of_level = by_unit.loc[level].sort_values(ascending=False, kind="stable")
        winners = [f"{plain(unit)} {_number(gain)}" for (_, unit), gain in of_level.items() if gain > 0][:SHOWN_UNITS]
        if winners and len(of_level) > 1:
            told = {"level": plain(level) or _say("summary.units", lang), "units": _say("list", lang).join(winners)}
            lines.append(_say("summary.who", lang, **told))
    if not (table["children_gained"] > 0).any():
        lines.append(_say("summary.nobody", lang))
    return lines


def _out_of_reach(siting: Siting, lang: str) -> list[str]:
    lost, names = siting.out_of_limit, siting.before.study.units.set_index("unit_id")["name"]
    if lost.empty:
        return []
    shown = [f"{plain(names[unit])} {_number(children)}" for unit, children in lost.head(SHOWN_UNITS).items()]
    return [_say("summary.lost", lang, children=_number(float(lost.sum())), units=_say("list", lang).join(shown))]


def _assumptions(siting: Siting, lang: str) -> list[str]:
    ask = siting.ask
    said = [_say("rests.measured", lang, plan=plain(siting.plan.file.name))]
    if ask.candidates is None:
        said.append(_say("rests.grid", lang, step=f"{ask.grid_m:,.0f}", count=len(siting.candidates)))
    else:
        file = Path(ask.candidates.file).name
        said.append(_say("rests.file", lang, file=plain(file), count=len(siting.candidates)))
    if not _costs_known(siting):
        some = siting.candidates["cost"].notna().any()
        said.append(_say("rests.costs_unused" if some else "rests.costs_equal", lang))
    if (share := siting.plan.access.participation.get(ask.kind, 1.0)) != 1 and ask.objective == "cover-capacitated":
        said.append(_say("rests.participation", lang, share=f"{share:g}", why=plain(siting.plan.access.why)))
    if ask.objective != "cover-capacitated":
        said.append(_say("rests.no_capacity", lang))
    if ask.limit_m is not None:
        said.append(_say("rests.limit", lang, limit=f"{ask.limit_m:,.0f}"))
    if siting.plan.siting.why:
        said.append(_say("rests.weights", lang, why=plain(siting.plan.siting.why)))
    said.append(_say("rests.unknown", lang))
    return said + [plain(told.text(lang)) for told in siting.findings if told.severity == "warning"]


def _costs_known(siting: Siting) -> bool:
    return siting.ask.cost is not None or bool(siting.candidates["cost"].notna().all())


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else figure(value, "children")


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole > 0 else "–"


def plain(value: str) -> str:
    """Text from data as it may stand in Markdown: nothing in it is markup."""
    return "".join("\\" + mark if mark in "\\`*_{}[]<>()#+!|~&" else mark for mark in catalog.one_line(text(value)))


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"site.{key}", lang, **values)
