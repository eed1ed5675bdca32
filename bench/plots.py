"""The plots of docs/benchmarks: one question each, readable in print and by colour-blind people."""

from collections.abc import Mapping

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from credix.core.settings import PROJECT_DIR
from credix.report.charts import new_axes

FOLDER = PROJECT_DIR / "docs" / "benchmarks"
# Okabe and Ito (2008), as in credix.report.charts, in an order of falling contrast.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#999999")
mpl.rcParams["svg.hashsalt"] = "credix"


def bars(name: str, values: Mapping[str, float], title: str, unit: str) -> None:
    axes = new_axes(title)
    drawn = axes.barh(list(values), list(values.values()), color=COLORS[0])
    axes.bar_label(drawn, fmt="%.1f", padding=3)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    save(axes, name)


def stacks(name: str, parts: Mapping[str, Mapping[str, float]], title: str, unit: str) -> None:
    """One bar per entry, stacked by what it consists of."""
    axes = new_axes(title)
    left = dict.fromkeys(parts, 0.0)
    kinds = list(next(iter(parts.values())))
    for kind, color in zip(kinds, COLORS, strict=False):
        values = [parts[entry][kind] for entry in parts]
        axes.barh(list(parts), values, left=list(left.values()), color=color, label=kind)
        left = {entry: left[entry] + parts[entry][kind] for entry in parts}
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.legend(fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.3), frameon=False)
    save(axes, name)


def growth(name: str, lines: Mapping[str, Mapping[int, float]], title: str, unit: str) -> None:
    """Both axes logarithmic: a straight line of slope 1 is linear growth."""
    axes = new_axes(title)
    for (label, points), color in zip(lines.items(), COLORS, strict=False):
        axes.loglog(list(points), list(points.values()), "o-", color=color, label=label)
    axes.set_xlabel("rows")
    axes.set_ylabel(unit)
    axes.grid(which="both", alpha=0.2)
    save(axes, name)


def save(axes: Axes, name: str) -> None:
    """As SVG, the same bytes for the same numbers."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    plt.close()
