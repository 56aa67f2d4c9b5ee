"""Pictures that compare spaces and clusterers of customers, as PNG with titles that state what is to be seen.

Belongs here: how points, trees and scans are drawn for the page of a comparison, in English. Does not belong here: any
measure (it comes ready from :mod:`insiders_assets.domain`), or the report's pictures, which are told in its languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from insiders_assets.domain.clusterer_choice import USUAL, Choice, Criterion
from insiders_assets.domain.clusterers import DBSCAN, K_MEANS, MIXTURE, WARD, Trial
from insiders_assets.domain.spaces import Space
from insiders_assets.reporting.language import ENGLISH, Language
from insiders_assets.reporting.pictures.drawing import (
    INK,
    MUTED,
    POINTS_PER_INCH,
    TOP,
    as_png,
    empty_figure,
    group_colours,
    put_title,
)
from insiders_assets.reporting.pictures.segments import draw_silhouettes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Stabilities from a few subsamples that differ by less are told as one.
ALIKE = 0.05
# Of Okabe and Ito (2008), whose colours stay apart for colour-blind readers; marks and dashes differ as well.
# Ward's marks are the largest and the mixture's the smallest: where all found the same, each can still be seen.
LINES = {WARD: ("#0072b2", "o", "-", 9.0), K_MEANS: ("#e69f00", "s", "--", 6.0), MIXTURE: ("#009e73", "^", ":", 3.5)}
SCATTERED = ("#cc79a7", "x")
LEAVES_PER_GROUP = 4


def scatter_of_spaces(spaces: Sequence[Space]) -> bytes:
    """Customers in every space side by side, coloured by that space's own groups, the top one on top."""
    across = min(2, len(spaces))
    down = -(-len(spaces) // across)
    figure = empty_figure(4.1 * across, 3.6 * down + 0.7)
    for axes, space in zip(figure.subplots(down, across, squeeze=False).flat, spaces, strict=False):
        _scatter(axes, space)
    for axes in figure.axes[len(spaces) :]:
        axes.set_axis_off()
    put_title(figure, steadiest(spaces))
    figure.supxlabel(
        "Colours are each space's own groups: orange spends most on average, then dark to pale. Axes have no unit.",
        fontsize=9,
    )
    return as_png(figure)


def steadiest(spaces: Sequence[Space]) -> str:
    """In words, in which spaces groups change least on subsamples; a title for their picture."""
    best = max((space.sample_agreement for space in spaces), key=lambda value: -1 if np.isnan(value) else value)
    names = [space.name for space in spaces if space.sample_agreement >= best - ALIKE]
    if not names or len(names) == len(spaces) > 1:
        return "The same customers in several spaces; none holds its groups better than the others"
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"Groups change least in {listed} when a fifth of the customers is left out"


def _scatter(axes: Axes, space: Space) -> None:
    colours = group_colours(int(space.ranks.max()))
    size = float(np.clip(6_000 / len(space.ranks), 4, 30))
    for rank in range(len(colours), 0, -1):
        x, y = space.picture[space.ranks == rank].T
        axes.scatter(x, y, s=2 * size if rank == 1 else size, color=colours[rank - 1], linewidths=0)
    axes.set(xticks=[], yticks=[])
    axes.set_title(
        f"{space.name}\nsilhouette in the common space {_number(space.common_silhouette)}, "
        f"stability {_number(space.sample_agreement)}",
        fontsize=9,
    )


def silhouette_plot(silhouettes: np.ndarray, ranks: np.ndarray) -> bytes:
    """Every customer's silhouette, sorted within groups: (n,) from -1 to 1; `ranks` (n,) from 1, two groups or more."""
    groups = _several_groups(ranks)
    height = 1.7 + 0.42 * groups
    figure = empty_figure(8.5, height)
    draw_silhouettes(figure.subplots(), silhouettes, ranks, Language(ENGLISH), (height - 1.2) * POINTS_PER_INCH)
    misplaced = float((silhouettes < 0).mean())
    put_title(figure, f"{100 * misplaced:.1f} % of the customers stand nearer to another group than to their own")
    return as_png(figure)


def dendrogram(tree: np.ndarray, ranks: np.ndarray) -> bytes:
    """Ward's tree from its highest merges down, with the line that cuts it into the groups of `ranks`.

    Parameters
    ----------
    tree: (n - 1, 4) linkage. ranks: (n,) from 1, of a cut of this tree into at least two groups.
    """
    from scipy.cluster import hierarchy

    groups, n = _several_groups(ranks), len(ranks)
    colours = group_colours(groups)
    first = _first_leaves(tree)

    def colour(node: int) -> str:
        return colours[ranks[first[node]] - 1] if node < 2 * n - groups else MUTED

    shown = min(n, max(30, LEAVES_PER_GROUP * groups))
    drawn = hierarchy.dendrogram(tree, p=shown, truncate_mode="lastp", no_plot=True, link_color_func=colour)
    figure = empty_figure(9, 5)
    axes = figure.subplots()
    for xs, ys, shade in zip(drawn["icoord"], drawn["dcoord"], drawn["color_list"], strict=True):
        axes.plot(xs, ys, color=shade, linewidth=1.0 if shade == MUTED else 1.8)
    below, above = tree[-groups, 2] if groups < n else 0.0, tree[1 - groups, 2]
    axes.axhline((below + above) / 2, color=INK, linestyle="--", linewidth=1)
    axes.annotate(
        f"cut: {groups} groups",
        (0.995, (below + above) / 2),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=9,
    )
    leaf_ranks = np.array([ranks[first[leaf]] for leaf in drawn["leaves"]])
    places = 5.0 + 10.0 * np.arange(len(leaf_ranks))
    middles = [places[leaf_ranks == rank].mean() for rank in range(1, groups + 1)]
    axes.set_xticks(middles, [f"{rank}\n{(ranks == rank).sum():,}" for rank in range(1, groups + 1)])
    axes.set_xlabel("group (1 = highest mean revenue) and its customers")
    axes.set_ylabel("height of a merge (distance after Ward)")
    axes.set_ylim(0, None)
    if below > 0:
        apart = f"{above / below:.1f} times as far apart as the two halves of any one"
        put_title(figure, f"The closest two of the {groups} groups lie {apart}")
    else:
        put_title(figure, f"Within each of the {groups} groups all customers are alike")
    return as_png(figure)


def _several_groups(ranks: np.ndarray) -> int:
    groups = int(ranks.max())
    if groups < 2:
        raise ValueError("All customers are in one group: there is nothing to draw between groups.")
    return groups


def _first_leaves(tree: np.ndarray) -> list[int]:
    """One leaf of every node (2n - 1)."""
    first = list(range(len(tree) + 1))
    for left in tree[:, 0].astype(int):
        first.append(first[left])
    return first


def scan_chart(trials: Sequence[Trial], choice: Choice, criterion: Criterion = USUAL) -> bytes:
    """Silhouette and stability by number of groups for every clusterer, the choice marked.

    A band shows what counts as equal to the best. Trials with more groups than the criterion allows are not drawn.
    """
    from matplotlib.ticker import MaxNLocator

    most = max(criterion.most_groups, choice.trial.groups)
    shown = [trial for trial in trials if trial.groups <= most and np.isfinite(trial.silhouette)]
    figure = empty_figure(8, 6.2)
    for axes, measure, words in zip(
        figure.subplots(2, 1, sharex=True),
        ("silhouette", "stability"),
        ("mean silhouette", "stability\n(adjusted Rand index,\n80 % of the customers)"),
        strict=True,
    ):
        _by_groups(axes, shown, measure)
        axes.set_ylabel(words)
        axes.plot(
            choice.trial.groups,
            getattr(choice.trial, measure),
            "o",
            markersize=15,
            fillstyle="none",
            color=TOP,
            markeredgewidth=2.5,
            label="chosen",
        )
        axes.axvline(choice.trial.groups, color=TOP, linewidth=0.8, zorder=0)
        axes.grid(axis="y", color="#e3e6e9", linewidth=0.7)
    best = max(trial.silhouette for trial in shown)
    above, below = figure.axes
    above.axhspan(best - criterion.quality, best, color="#0072b2", alpha=0.10, linewidth=0, label="as good as the best")
    above.legend(fontsize=9, loc="lower right", framealpha=0.9)
    below.set_xlabel("number of groups")
    below.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    # From one half up: a dip of a hundredth shall not look like a gulf.
    below.set_ylim(min(0.5, below.get_ylim()[0]), 1.02)
    chosen = choice.trial
    put_title(
        figure,
        f"{chosen.name} chosen: silhouette {chosen.silhouette:.2f} (best {best:.2f}), "
        f"stability {_number(chosen.stability)}",
    )
    return as_png(figure)


def _by_groups(axes: Axes, trials: Sequence[Trial], measure: str) -> None:
    for clusterer, (colour, mark, dashes, size) in LINES.items():
        points = sorted((t.groups, getattr(t, measure)) for t in trials if t.clusterer == clusterer)
        if points:
            axes.plot(
                *np.transpose(points), mark + dashes, color=colour, markersize=size, linewidth=1.6, label=clusterer
            )
    scattered = [(t.groups, getattr(t, measure)) for t in trials if t.clusterer == DBSCAN]
    if scattered:
        colour, mark = SCATTERED
        axes.plot(*np.transpose(scattered), mark, color=colour, markersize=7, markeredgewidth=2, label=DBSCAN)


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "unknown"
