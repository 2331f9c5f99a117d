"""An answer of `cfc-geo site` as a scenario: a plan file that extends the plan and adds the sites."""

import os
import secrets
from pathlib import Path
from typing import Any

from cfc_geo import catalog, reach
from cfc_geo.errors import Findings, OutputError
from cfc_geo.outputs.tables import text
from cfc_geo.plan import Plan
from cfc_geo.siting.find import Siting

MARK = "# cfc-geo site"
"""How a file that this module wrote begins; no other file is written over."""


def check_scenario_file(path: Path, plan: Plan, mark: str = MARK) -> None:
    """Raises `OutputError` if a scenario of `plan` may not be written to `path`: another ending, one of the files that
    the plan is made of, or a file there that does not begin with `mark`."""
    findings = Findings()
    if path.resolve() in [each.resolve() for each in plan.chain]:
        findings.error("site.own_plan", str(path))
    elif path.suffix != ".toml":
        findings.error("site.not_toml", str(path))
    elif path.is_dir() or path.is_symlink() or (path.exists() and not _is_ours(path, mark)):
        findings.error("site.not_ours", str(path))
    elif not path.parent.is_dir():
        findings.error("output.not_a_folder", str(path.parent))
    findings.raise_errors(OutputError)


def write_scenario(siting: Siting, path: Path, lang: str) -> None:
    """Write the scenario, whole or not at all. Raises `OutputError` as `check_scenario_file` does, and `OSError`."""
    write_whole(scenario_text(siting, path, lang), path, siting.plan, MARK)


def write_whole(scenario: str, path: Path, plan: Plan, mark: str) -> None:
    """Write the text of a scenario of `plan` that begins with `mark`; raises as `write_scenario` does."""
    check_scenario_file(path, plan, mark)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        new.write_text(scenario, encoding="utf-8", newline="\n")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def run_option(siting: Siting, path: Path) -> str:
    """What `cfc-geo run` must be told to read the scenario at `path`: " --allow …" where its plan lies elsewhere."""
    folders = reach.folders_of(path, ())
    outside = [file for file in siting.plan.chain if not reach.is_within(file, folders)]
    return f" {reach.option_for(outside)}" if outside else ""


def extends_key(plan: Path, path: Path) -> str:
    """How a scenario at `path` names the plan it extends."""
    return os.path.relpath(plan, path.parent).replace(os.sep, "/")


def scenario_text(siting: Siting, path: Path, lang: str) -> str:
    """The scenario as TOML, with its reason in words."""
    import tomli_w

    plan = siting.plan
    told = {"sites": len(siting.sites), "plan": text(plan.file.name)}
    kind = catalog.kind_name(siting.ask.kind, lang)
    gained = float(siting.sites["children_added"].sum())
    table: dict[str, Any] = {
        "extends": extends_key(plan.file, path),
        "name": _say("scenario.name", lang, **told, kind=kind, name=text(plan.name)),
        "why": _say("scenario.why", lang, children=f"{gained:,.0f}", limit=f"{siting.problem.limit_m:,.0f}"),
    }
    if siting.ask.limit_m is not None:
        changes = [change.model_dump(mode="json") for change in plan.norms.override]
        table["norms"] = {"override": changes}
    table["edits"] = [edit.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for edit in _new(siting)]
    kinds = {each: catalog.kind_name(siting.ask.kind, each) for each in catalog.LANGUAGES}
    heading = "\n".join(f"{MARK}: {_say('scenario.heading', each, kind=kinds[each], **told)}" for each in kinds)
    return f"{heading}\n\n{tomli_w.dumps(table)}"


def _new(siting: Siting) -> list[Any]:
    """The edits of the sites, without those of the plan."""
    return siting.scenario.edits[len(siting.plan.edits) :]


def _is_ours(path: Path, mark: str) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(mark)) == mark.encode()
    except OSError:
        return False


def _say(key: str, lang: str, **values: Any) -> str:
    return catalog.word(f"site.{key}", lang, **values)
