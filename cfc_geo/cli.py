"""The command line: parse → one library call → print. The only module that prints.

Exit codes: 0 fine, 1 a fault in plan or data, 2 wrong usage, 130 interrupted. Heavy modules are imported inside the
verbs, so that help answers at once.
"""

import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfc_geo import catalog
from cfc_geo.errors import CfcError, Finding, Findings, OutputError, PlanError
from cfc_geo.options import (
    ask_of,
    box,
    brief_params,
    check_fetch_usage,
    datum_params,
    fetch_options,
    previous_option,
    route_ask_of,
    route_options,
    score_options,
    scoring_asked,
    site_options,
    streets_asked,
    streets_options,
    target_folders,
    target_source,
    targets_option,
)
from cfc_geo.spoken import COMMAND, Group, Verb, language, say_utf8, usage_text

if TYPE_CHECKING:
    from cfc_geo.model import Comparison, Result
    from cfc_geo.plan import Plan
    from cfc_geo.routing import Routing
    from cfc_geo.siting.find import Siting

FAULT, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    lang = language(arguments)
    say_utf8()
    try:
        outcome = build_command(lang).main(arguments, prog_name=COMMAND, standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except CfcError as error:
        _print_findings(error.findings, lang)
        return FAULT
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help() if error.ctx else "", file=sys.stderr)
        return WRONG_USAGE
    except click.UsageError as error:
        print(usage_text(error, lang), file=sys.stderr)
        return WRONG_USAGE
    except (KeyboardInterrupt, click.Abort):
        print("\n" + catalog.word("cli.interrupted", lang), file=sys.stderr)
        return INTERRUPTED


def build_command(lang: str) -> click.Group:
    """All verbs, with their help in `lang`."""

    def say(key: str) -> str:
        return catalog.word(f"cli.{key}", lang)

    lang_option = click.Option(["--lang"], type=click.Choice(catalog.LANGUAGES), help=say("lang.help"))
    plan = click.Argument(["plan"], type=click.Path(path_type=Path), metavar=say("plan.metavar"))
    plans = click.Argument(
        ["plans"], type=click.Path(path_type=Path), nargs=-1, required=True, metavar=say("plan.metavar") + "…"
    )
    results = click.Argument(
        ["results"], type=click.Path(path_type=Path), nargs=-1, required=True, metavar=say("compare.metavar") + "…"
    )
    out = click.Option(
        ["--out"], type=click.Path(path_type=Path), default=Path("out"), metavar="DIR", help=say("out.help")
    )
    allow = click.Option(
        ["--allow"], type=click.Path(path_type=Path), multiple=True, metavar="DIR", help=say("allow.help")
    )
    folder = click.Argument(["folder"], type=click.Path(path_type=Path), metavar="DIR")
    verbs: dict[str, tuple[Any, list[click.Parameter]]] = {
        "run": (run, [plans, previous_option(say), out, allow]),
        "compare": (compare, [results, out, allow]),
        "site": (site, [plan, *site_options(say), out, allow]),
        "route": (route, [plan, *route_options(say), out, allow]),
        "streets": (streets, [plan, *streets_options(say), out, allow]),
        "brief": (brief, brief_params(say)),
        "score": (score, [plan, *score_options(say), out, allow]),
        "form": (form, [plan, targets_option(say, "form"), out, allow]),
        "check": (check, [plan, out, allow]),
        "datum": (datum, [*datum_params(say), allow]),
        "new": (new, [folder]),
        "fetch": (fetch, [folder, *fetch_options(say)]),
    }
    about, metavar = say("group.help"), " | ".join(verbs)
    group = Group(
        COMMAND, lang, help=about, params=[lang_option], callback=lambda **_: None, subcommand_metavar=metavar
    )
    for name, (verb, params) in verbs.items():
        about = say(f"{name}.help")
        settings = {"params": [*params, lang_option], "help": about, "short_help": about}
        group.add_command(Verb(name, lang, callback=_speaking(verb, lang), **settings))
    return group


# -------------------------------------------------------------------------------------------------------------- verbs


def run(plans: tuple[Path, ...], out: Path, allow: tuple[Path, ...], lang: str, previous: Path | None = None) -> int:
    """Validate every plan, then run them one by one, sharing what they have in common; each result appears whole or not
    at all.

    A result that breaks a limit of its plan's `[audit]` is written all the same, and then is a fault.
    """
    from cfc_geo.outputs.folder import check_folder, check_register, same_folder, write_result
    from cfc_geo.outputs.kept import Kept
    from cfc_geo.run import run_plans

    if repeated := same_folder(plans):
        print(catalog.word("cli.run.same_stem", lang, plans=", ".join(map(str, repeated))), file=sys.stderr)
        return WRONG_USAGE
    loaded = _load_all(plans, allow)
    outcome = 0
    for plan in loaded:
        check_register(check_folder(plan, out), previous)
    stages = _Stages(lang)
    results, kept = run_plans(loaded, stages.announce, previous), Kept() if len(loaded) > 1 else None
    for plan in loaded:
        start = time.perf_counter()
        with stages, _uncollected():
            result = next(results)
            stages.announce("write")
            result, sheets = _with_sheets(result, lang)
            folder = write_result(result, out, lang, kept, sheets)
        _print_summary(result, folder, time.perf_counter() - start, lang)
        if broken := [finding for finding in result.findings if finding.severity == "error"]:
            _print_findings(broken, lang)
            print(catalog.word("cli.run.audit_failed", lang, plan=plan.file, count=len(broken)), file=sys.stderr)
            outcome = FAULT
        del result  # its tables, before those of the next are made
    return outcome


def compare(results: tuple[Path, ...], out: Path, allow: tuple[Path, ...], lang: str) -> int:
    """Compare results with the first of them: who gains, who loses. Plans among them are run first, as `run` does."""
    from cfc_geo.inputs.comparable import check_comparable
    from cfc_geo.inputs.results import is_result, read_result
    from cfc_geo.outputs.comparison import folder_name, write_comparison
    from cfc_geo.outputs.folder import check_comparison_folder, same_folder
    from cfc_geo.questions.compare import compare as compare_results

    names = [path.resolve().name if is_result(path) else path.stem for path in results]
    if len(results) < 2 or same_folder([Path(f"{name}.toml") for name in names]):
        key = "two" if len(results) < 2 else "same_name"
        print(catalog.word(f"cli.compare.{key}", lang, names=", ".join(names)), file=sys.stderr)
        return WRONG_USAGE
    check_comparison_folder(folder_name(names), out)
    plans = tuple(path for path in results if not is_result(path))
    outcome = run(plans, out, allow, lang)
    before, *after = [read_result(path if is_result(path) else out / path.stem) for path in results]
    check_comparable(before, tuple(after))
    comparison = compare_results(before, tuple(after))
    _print_comparison(comparison, write_comparison(comparison, out, lang), lang)
    return outcome


def check(plan: Path, out: Path, allow: tuple[Path, ...], lang: str) -> int:
    """Validate plan and data; print every finding, and write them into `check.xlsx`."""
    from cfc_geo.inputs.study import plan_sources
    from cfc_geo.outputs.check_report import write_check_report
    from cfc_geo.plan import load_plan
    from cfc_geo.run import check_plan

    findings: Sequence[Finding] = ()
    loaded = None
    try:
        loaded = load_plan(plan, allow)
        findings = check_plan(loaded)
    except CfcError as error:
        findings = error.findings
    faults = sum(finding.severity == "error" for finding in findings)
    stream = sys.stderr if faults else sys.stdout
    _print_findings(findings, lang, stream)
    report = write_check_report(plan, findings, plan_sources(loaded) if loaded else (), out, lang)
    print(catalog.word("cli.check.report", lang, file=report), file=stream)
    if faults:
        print(catalog.word("cli.check.faults", lang, plan=plan, count=faults), file=stream)
        return FAULT
    warnings = sum(finding.severity == "warning" for finding in findings)
    print(catalog.word("cli.check.ok", lang, plan=plan, warnings=warnings))
    return 0


def site(plan: Path, out: Path, allow: tuple[Path, ...], write: Path | None, lang: str, **given: Any) -> int:
    """Choose sites for a kind of facility, and measure what they bring; a scenario with them where asked."""
    from cfc_geo.outputs.scenario_file import check_scenario_file, write_scenario
    from cfc_geo.outputs.siting_report import check_site_folder, write_siting
    from cfc_geo.plan import load_plan
    from cfc_geo.siting.find import find_sites

    ask = ask_of(given, lang)
    loaded = load_plan(plan, allow)
    if ask.kind not in loaded.resolved_norms() and ask.limit_m is None:
        raise click.UsageError(catalog.word("cli.site.no_limit", lang, kind=catalog.kind_name(ask.kind, lang)))
    check_site_folder(plan, ask.kind, out)
    if write is not None:
        check_scenario_file(write, loaded)
    start, stages = time.perf_counter(), _Stages(lang)
    with stages, _uncollected():
        siting = find_sites(loaded, ask, stages.announce)
        stages.announce("write")
        folder = write_siting(siting, out, lang)
        if write is not None:
            write_scenario(siting, write, lang)
    _print_findings([finding for finding in siting.findings if finding.severity == "warning"], lang)
    _print_siting(siting, folder, write, time.perf_counter() - start, lang)
    return 0


def route(plan: Path, out: Path, allow: tuple[Path, ...], lang: str, **given: Any) -> int:
    """Find the walks from here to there that nothing beats in both length and stress."""
    from cfc_geo.outputs.route_report import route_folder, write_routes
    from cfc_geo.plan import load_plan
    from cfc_geo.routing import find_routes

    ask = route_ask_of(given, lang)
    loaded = load_plan(plan, allow)
    route_folder(loaded, ask, out)
    start, stages = time.perf_counter(), _Stages(lang)
    with stages, _uncollected():
        routing = find_routes(loaded, ask, stages.announce)
        stages.announce("write")
        folder = write_routes(routing, out, lang)
    _print_routing(routing, folder, time.perf_counter() - start, lang)
    return 0


def streets(plan: Path, out: Path, allow: tuple[Path, ...], lang: str, **given: Any) -> int:
    """Follow the children's walks: flows, what to mend first, school gates, who gets there alone."""
    from cfc_geo.outputs.streets_report import check_streets_folder, headline, sheets_of, write_streets
    from cfc_geo.plan import load_plan
    from cfc_geo.run import find_streets

    loaded = load_plan(plan, allow)
    asked = streets_asked(given, loaded.streets_for_children, lang)
    check_streets_folder(plan, out)
    start, stages = time.perf_counter(), _Stages(lang)
    with stages, _uncollected():
        study, found, findings = find_streets(loaded, asked, stages.announce)
        stages.announce("write")
        sheets, lacking = sheets_of(loaded, found, study, lang)
        findings += lacking
        folder = write_streets(loaded, asked, study, found, findings, out, sheets, lang)
    _print_findings([finding for finding in findings if finding.severity == "warning"], lang)
    seconds = f"{time.perf_counter() - start:.1f}"
    print(catalog.word("streets.done", lang, plan=loaded.file, folder=folder, seconds=seconds))
    for line in headline(found, lang):
        print(f"  {line}")
    print(catalog.word("streets.open", lang, file=folder / "summary.md"))
    return 0


def brief(result: Path, unit: tuple[str, ...], every: bool, format: tuple[str, ...], k: int, lang: str) -> int:
    """Write a brief for the whole place and, where asked, its units, beside a result: in Chinese, which those read who
    get it, unless `--lang` says otherwise."""
    from cfc_geo.handout import hand_out
    from cfc_geo.inputs.dossier import chosen_units, read_dossier
    from cfc_geo.outputs.brief import briefed_units
    from cfc_geo.outputs.briefs import INTERNAL, SHARE, write_briefs
    from cfc_geo.outputs.folder import check_brief_folder
    from cfc_geo.questions.disclosure.rules import Rules
    from cfc_geo.tables import ALL_UNITS

    if every and unit:
        raise click.UsageError(catalog.word("cli.brief.one", lang))
    dossier = read_dossier(result)
    check_brief_folder(result)
    of_units = dossier.finished.units
    asked = chosen_units(of_units, unit) if unit else [ALL_UNITS, *(briefed_units(of_units) if every else [])]
    protected = hand_out(dossier.finished, Rules(k=k))
    here = click.get_current_context()
    written = here.params["lang"] or here.find_root().params["lang"] or "zh"
    folder = write_briefs(dossier, result, asked, list(dict.fromkeys(format)), written, protected=protected)
    _print_findings([finding for finding in dossier.findings if finding.severity == "warning"], lang)
    print(catalog.word("cli.brief.done", lang, count=len(asked), folder=folder))
    print(catalog.word("cli.brief.open", lang, internal=folder / INTERNAL, share=folder / SHARE))
    print(catalog.word("cli.brief.release", lang, k=k))
    return 0


def score(plan: Path, out: Path, allow: tuple[Path, ...], lang: str, **given: Any) -> int:
    """Hold a plan to the targets of government plans; say what another version of these, or of norms, alone does."""
    from cfc_geo.outputs.folder import check_register
    from cfc_geo.outputs.score_report import check_score_folder, headline, write_score
    from cfc_geo.outputs.score_tables import changed_table, no_changes
    from cfc_geo.plan import load_plan
    from cfc_geo.run import run_plan, with_rules

    against, previous = given["against"], given["previous"]
    norms = catalog.norm_sets()
    files = target_folders([*given["targets"], None if against in norms else against])
    loaded = load_plan(plan, (*allow, *files))
    asked = scoring_asked(given, loaded.scorecard, plan, lang)
    other = None if against is None or against in norms else target_source(against, plan)
    check_register(check_score_folder(plan, out), previous)
    start, stages = time.perf_counter(), _Stages(lang)
    with stages, _uncollected():
        loaded = with_rules(loaded, asked)
        result = run_plan(loaded, stages.announce, previous=previous)
        assert result.scorecard is not None
        changed = no_changes()
        if against is not None:
            ruled = with_rules(loaded, asked, norms=against if against in norms else None, targets=other)
            before = run_plan(ruled, stages.announce, previous=previous).scorecard
            assert before is not None
            changed = changed_table(before, result.scorecard, lang)
        stages.announce("write")
        folder = write_score(result, result.scorecard, changed, out, lang)
    _print_findings([finding for finding in result.findings if finding.severity == "warning"], lang)
    seconds = f"{time.perf_counter() - start:.1f}"
    print(catalog.word("score.done", lang, plan=loaded.file, folder=folder, seconds=seconds))
    for line in headline(result.scorecard, lang):
        print(f"  {line}")
    if against is not None:
        print(catalog.word("score.changes", lang, count=len(changed), against=against))
    print(catalog.word("score.open", lang, file=folder / "summary.md"))
    return 0


def form(plan: Path, targets: tuple[str, ...], out: Path, allow: tuple[Path, ...], lang: str) -> int:
    """Write a form for every office that leads targets which no layer can tell."""
    from cfc_geo.inputs.scored import read_targets
    from cfc_geo.outputs.forms import check_forms_folder, write_forms
    from cfc_geo.plan import load_plan

    loaded = load_plan(plan, (*allow, *target_folders(targets)))
    asked = read_targets(scoring_asked({"targets": targets, "year": None}, loaded.scorecard, plan, lang), loaded)
    check_forms_folder(plan, out)
    folder, forms = write_forms(plan, asked, out, lang)
    print(catalog.word("form.done", lang, plan=loaded.file, count=len(forms), folder=folder))
    for one in forms:
        counts = {sheet: len(rows) for sheet, rows in one.rows.items()}
        print(catalog.word("form.written", lang, file=one.file, **counts))
    print(catalog.word("form.next", lang, folder=folder))
    return 0


def datum(
    file: Path,
    plan: Path | None,
    layer: str | None,
    lon: str | None,
    lat: str | None,
    allow: tuple[Path, ...],
    lang: str,
) -> int:
    """Tell in which datum the coordinates of a file are, or why nobody can tell."""
    from cfc_geo.inputs.consult import consult
    from cfc_geo.outputs.consultation import consultation_lines
    from cfc_geo.plan import load_plan

    if (lon is None) != (lat is None):
        print(catalog.word("doctor.both_columns", lang), file=sys.stderr)
        return WRONG_USAGE
    lonlat = None if lon is None else (lon, lat)
    told = consult(file, None if plan is None else load_plan(plan, allow), layer=layer, lonlat=lonlat)
    print("\n".join(consultation_lines(told, lang)))
    return 0


def new(folder: Path, lang: str) -> int:
    """Write a commented starter plan and empty data files."""
    from cfc_geo.outputs.starter import write_starter

    try:
        plan = write_starter(folder)
    except OSError as error:
        findings = Findings()
        findings.error("output.failed", str(folder), reason=error.strerror or type(error).__name__)
        raise OutputError(findings) from error
    if plan is None:
        print(catalog.word("cli.new.exists", lang, folder=folder), file=sys.stderr)
        return FAULT
    print(catalog.word("cli.new.done", lang, folder=folder, plan=plan))
    return 0


def fetch(
    folder: Path,
    place: str | None,
    units: Path | None,
    bbox: str | None,
    residents: int | None,
    deadline: int,
    overpass_url: str | None,
    nominatim_url: str | None,
    lang: str,
    **of_units: str | None,
) -> int:
    """Download a place from OpenStreetMap; the folder appears whole or not at all."""
    from cfc_geo.fetch.folder import CITATION, LICENCE
    from cfc_geo.fetch.folder import fetch as fetch_folder
    from cfc_geo.fetch.place import Request, UnitsFile
    from cfc_geo.fetch.web import Patience, Servers

    urls = {name: url for name, url in (("overpass", overpass_url), ("nominatim", nominatim_url)) if url is not None}
    check_fetch_usage(place, units, bbox, of_units, urls, lang)

    def announce(event: str, **values: Any) -> None:
        shown = {name: value.text(lang) if isinstance(value, Finding) else value for name, value in values.items()}
        print(catalog.word(f"cli.fetch.{event}", lang, **shown), file=sys.stderr, flush=True)

    fetched = fetch_folder(
        Request(place, None if units is None else UnitsFile(units, **of_units), box(bbox, lang), residents),
        folder,
        servers=Servers(**urls),
        patience=Patience(deadline_s=deadline),
        announce=announce,
    )
    _print_findings([finding for finding in fetched.findings if finding.severity == "warning"], lang)
    print(catalog.word(f"cli.fetch.{'there' if fetched.before else 'done'}", lang, folder=folder))
    days = " – ".join(dict.fromkeys(fetched.days))
    print(catalog.word("cli.fetch.source", lang, citation=CITATION, licence=LICENCE, days=days))
    print(catalog.word("cli.fetch.next", lang, plan=fetched.plan))
    return 0


def _load_all(plans: tuple[Path, ...], allow: tuple[Path, ...]) -> "list[Plan]":
    """Every plan, checked. Raises `PlanError` with the faults of all of them."""
    from cfc_geo.plan import load_plan

    loaded, findings = [], Findings()
    for path in plans:
        try:
            loaded.append(load_plan(path, allow))
        except PlanError as error:
            findings.extend(finding for finding in error.findings if finding not in findings)
    findings.raise_errors(PlanError)
    return loaded


# ----------------------------------------------------------------------------------------------------------- printing


def _print_findings(findings: Sequence[Finding], lang: str, stream: Any = None) -> None:
    for finding in findings:
        label = catalog.word(f"cli.{finding.severity}", lang)
        print(f"{label}: {finding.text(lang)}", file=stream or sys.stderr)


def _with_sheets(result: "Result", lang: str) -> tuple["Result", dict[str, bytes]]:
    """The result, and the audit sheets of its corridors; where they cannot be made a finding says why."""
    if result.child_streets is None:
        return result, {}
    from cfc_geo.outputs.streets_report import sheets_of

    sheets, lacking = sheets_of(result.plan, result.child_streets, result.study, lang)
    return replace(result, findings=(*result.findings, *lacking)), sheets


def _print_summary(result: "Result", folder: Path, seconds: float, lang: str) -> None:
    from cfc_geo.tables import ALL_UNITS

    def say(key: str, **values: Any) -> None:
        print(catalog.word(f"cli.run.{key}", lang, **values))

    say("done", plan=result.plan.file, folder=folder, seconds=f"{seconds:.1f}")
    circle = result.circle_by_unit
    for row in circle[circle["unit_id"] == ALL_UNITS].itertuples():
        if row.children != row.children:
            say("unknown", band=catalog.band_name(row.band, lang))
            continue
        at_least = "≥ " if row.unknown else ""  # what is proven; the unknown may add to it
        share = f"{at_least}{row.complete_share:.1%}" if row.complete_share == row.complete_share else "?"
        say("circle", band=catalog.band_name(row.band, lang), children=f"{row.children:,.0f}", share=share)
    say("open", map=folder / "map.html")
    if result.child_streets is not None:
        from cfc_geo.outputs.streets_report import headline

        print("\n".join(f"  {line}" for line in headline(result.child_streets, lang)))
        say("open_streets", map=folder / "streets.html")
    if count := sum(finding.severity == "warning" for finding in result.findings):
        say("warnings", count=count)


def _print_comparison(comparison: "Comparison", folder: Path, lang: str) -> None:
    from cfc_geo.outputs.sentences import sentences

    print(catalog.word("cli.compare.done", lang, folder=folder))
    told, seen = ("ranking", "gain", "lose", "worst", "cost"), set[tuple[str, str]]()
    for one in sentences(comparison, lang):
        is_first = (one.after, one.part) not in seen  # of a part that is long the first sentence says it all
        seen.add((one.after, one.part))
        if one.part in told and (is_first or one.part == "ranking"):
            print(f"  {one.after}: {one.text}" if one.after else f"  {one.text}")
    print(catalog.word("cli.compare.open", lang, page=folder / "sentences.html", map=folder / "map.html"))


def _print_siting(siting: "Siting", folder: Path, scenario: Path | None, seconds: float, lang: str) -> None:
    from cfc_geo.outputs.scenario_file import run_option
    from cfc_geo.outputs.siting_report import headline

    print(catalog.word("site.done", lang, plan=siting.plan.file, folder=folder, seconds=f"{seconds:.1f}"))
    for line in headline(siting, lang):
        print(f"  {line}")
    print(catalog.word("site.said.open", lang, file=folder / "summary.md"))
    if scenario is not None:
        print(catalog.word("site.said.written", lang, file=scenario, allow=run_option(siting, scenario)))


def _print_routing(routing: "Routing", folder: Path, seconds: float, lang: str) -> None:
    from cfc_geo.outputs.route_words import headline

    print(catalog.word("route.done", lang, plan=routing.plan.file, folder=folder, seconds=f"{seconds:.1f}"))
    print("\n".join(headline(routing, lang)))
    print(catalog.word("route.open", lang, map=folder / "map.html"))
    if count := sum(finding.severity == "warning" for finding in routing.study.findings):
        print(catalog.word("route.warnings", lang, count=count))


class _Stages:
    """Shows the current stage on a terminal's error stream, and nothing in a pipe; gone when the block ends."""

    def __init__(self, lang: str) -> None:
        self._lang, self._shown = lang, sys.stderr.isatty()

    def announce(self, stage: str) -> None:
        if self._shown:
            print(f"\r\x1b[K… {catalog.word(f'run.{stage}', self._lang)}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def _uncollected() -> Iterator[None]:
    """One plan's tables hold millions of objects and no cycles to speak of: looking for cycles would cost a sixth of a
    run."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _speaking(verb: Any, lang: str) -> Any:
    """A verb that gets the language already chosen, whether `--lang` stands before or after it."""

    def call(**arguments: Any) -> int:
        arguments["lang"] = lang
        try:
            outcome = int(verb(**arguments))
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output went away, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return outcome

    return call


if __name__ == "__main__":
    sys.exit(main())
