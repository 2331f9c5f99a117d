"""Tables by unit, and squares of a map, as they may leave the office."""

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd

from cfc_geo.questions.disclosure.blocks import Blocks, band_of_blocks, shown_blocks
from cfc_geo.questions.disclosure.hide import further_hidden
from cfc_geo.questions.disclosure.relations import (
    BLOCK,
    CHILDREN,
    OF_CIRCLE,
    OF_KIND,
    WALK,
    Counts,
    relate,
    relate_blocks,
    small_blocks,
    units_below,
    walk_shown,
    wanted,
)
from cfc_geo.questions.disclosure.rules import SHOWN, SUPPRESSED, UNKNOWN, Rules
from cfc_geo.questions.disclosure.system import Key
from cfc_geo.tables import CIRCLE


@dataclass(frozen=True, eq=False)
class Protected:
    """What may leave the office.

    coverage, circle  rows and columns of `tables.COVERAGE_COLUMNS` and `tables.CIRCLE_COLUMNS` (without
                      `mean_items_share` and `most_missing_kind`): counts rounded, shares and walks of what is shown,
                      NaN where a figure is kept back or unknown, and beside each, as `<column>_state`, which it is
                      (`rules.SHOWN`, `SUPPRESSED`, `UNKNOWN`)
    blocks            squares (`blocks.shown_blocks`); no rows where none were asked for
    figures, hidden   how many counts by unit there are, and how many of them are kept back; which of those are small is
                      not told
    """

    coverage: pd.DataFrame
    circle: pd.DataFrame
    blocks: gpd.GeoDataFrame
    rules: Rules
    figures: int
    hidden: int


def protect(
    coverage: pd.DataFrame, circle: pd.DataFrame, units: pd.DataFrame, baskets: Mapping[str, tuple[str, ...]],
    rules: Rules, *, blocks: Blocks | None = None, complementary: bool = True,
) -> Protected:  # fmt: skip
    """What may be shown of tables by unit (`tables.COVERAGE_COLUMNS`, `tables.CIRCLE_COLUMNS`), and of squares.

    `units`: unit_id, parent_id. `baskets`: band → kinds of its circle. A count above 0 and under `rules.k` is kept
    back, and so is all that is said of children who are so few; then further figures, until every one of these counts
    could, for all that is shown, also be `rules.k` more than it is. Without `complementary` the last is left out, for
    comparison.
    """
    below = units_below(units)
    hidden: set[Key] = set()
    kept_blocks = small_blocks(blocks, rules) if blocks is not None else set()
    # of tables that contradict equally little the solver takes one, by the order in which they are put to it
    of_kind, of_circle = coverage.sort_values(["unit_id", "kind"]), circle.sort_values("unit_id")
    bands = sorted({*coverage["band"], *circle["band"]})
    counts = {band: Counts.of(of_kind[of_kind["band"] == band], of_circle[of_circle["band"] == band]) for band in bands}
    band_of = band_of_blocks(blocks) if blocks is not None else {}
    for band, of_band in counts.items():
        kept = _kept_back(of_band, rules)
        if complementary:
            system = relate(of_band, below, baskets.get(band, ()), kept, rules)
            if blocks is not None:
                relate_blocks(system, blocks, band, kept_blocks, rules)
            small = wanted(system, below, rules, of_blocks={block for block, of in band_of.items() if of == band})
            further = further_hidden(system, small, _followers(of_band))
            kept_blocks |= {key for key in further if key[1] == BLOCK}
            kept |= {key for key in further if key[1] != BLOCK}
        hidden |= {(band, *key) for key in kept}
    squares = gpd.GeoDataFrame() if blocks is None else shown_blocks(blocks, {(k[0], k[2]) for k in kept_blocks}, rules)
    return _shown(coverage, circle, squares, hidden, rules)


def _kept_back(counts: Counts, rules: Rules) -> set[Key]:
    """Small counts, and whatever is said of children who are so few."""
    few = {unit for unit, children in counts.children.items() if rules.is_small(np.array(children))}
    kept: set[Key] = {key for key, count in counts.all() if key[0] in few or rules.is_small(np.array(count))}
    return kept | {(unit, kind, WALK) for unit, kind, name in kept if name == "covered"}


def _followers(counts: Counts) -> dict[Key, tuple[Key, ...]]:
    """Mean walks are never shown without the children who walk."""
    return {(unit, kind, "covered"): ((unit, kind, WALK),) for unit, kind in counts.walks}


def _shown(
    coverage: pd.DataFrame, circle: pd.DataFrame, blocks: gpd.GeoDataFrame, hidden: set[Key], rules: Rules
) -> Protected:
    of_kind = _protected(coverage, coverage["kind"].tolist(), OF_KIND, hidden, rules)
    of_kind = _with_walks(_with_share(of_kind, "covered_share", OF_KIND), coverage, hidden)
    of_circle = _protected(circle, [CIRCLE] * len(circle), OF_CIRCLE, hidden, rules)
    of_circle = _with_share(of_circle, "complete_share", OF_CIRCLE)
    states = [of_kind[f"{name}_state"] for name in OF_KIND] + [of_circle[f"{name}_state"] for name in OF_CIRCLE]
    states.append(pd.concat([of_kind, of_circle]).drop_duplicates(["unit_id", "band"])["children_state"])
    told = pd.concat(states)
    return Protected(of_kind, of_circle, blocks, rules, int((told != UNKNOWN).sum()), int((told == SUPPRESSED).sum()))


def _protected(
    table: pd.DataFrame, kinds: list[str], parts: tuple[str, ...], hidden: set[Key], rules: Rules
) -> pd.DataFrame:
    labels = [name for name in ("unit_id", "unit_name", "level", "kind", "band", "limit_m") if name in table]
    found = table[labels].copy()
    for name in (CHILDREN, *parts):
        of = [""] * len(table) if name == CHILDREN else kinds
        kept = [(*at, name) in hidden for at in zip(table["band"], table["unit_id"], of, strict=True)]
        counts = table[name].to_numpy(dtype=float)
        state = np.where(np.isnan(counts), UNKNOWN, np.where(np.array(kept, dtype=bool), SUPPRESSED, SHOWN))
        found[name] = np.where(state == SHOWN, rules.rounded(counts), np.nan)
        found[f"{name}_state"] = state
    return found


def _with_share(table: pd.DataFrame, share: str, parts: tuple[str, ...]) -> pd.DataFrame:
    """With the share of the first of `parts` in the children, of the figures as they are shown; unknown where the shown
    figures say that nobody lives there, or that nothing is known of anybody."""
    proven, gap = table[parts[0]], table[parts[1]]
    unknown = (table["children_state"] == UNKNOWN) | (table[CHILDREN] == 0) | ((proven == 0) & (gap == 0))
    kept = (table["children_state"] == SUPPRESSED) | (table[f"{parts[0]}_state"] == SUPPRESSED)
    state = np.select([kept, unknown], [SUPPRESSED, UNKNOWN], SHOWN)
    return table.assign(**{share: (proven / table[CHILDREN]).where(state == SHOWN), f"{share}_state": state})


def _with_walks(table: pd.DataFrame, coverage: pd.DataFrame, hidden: set[Key]) -> pd.DataFrame:
    """With the mean walk in whole steps, and in whole minutes of these."""
    walks = coverage[WALK].map(walk_shown)
    kept = [(*at, WALK) in hidden for at in zip(coverage["band"], coverage["unit_id"], coverage["kind"], strict=True)]
    nobody = (
        (table["covered_state"] == UNKNOWN) | (table["covered"] == 0) | (walks.isna() & ~np.array(kept, dtype=bool))
    )
    state = np.select([nobody, np.array(kept, dtype=bool)], [UNKNOWN, SUPPRESSED], SHOWN)
    metres = walks.where(state == SHOWN)
    minutes = np.floor(metres * coverage["mean_walk_min"] / coverage[WALK] + 0.5)
    return table.assign(mean_walk_m=metres, mean_walk_m_state=state, mean_walk_min=minutes, mean_walk_min_state=state)
