"""Plots that can be read in print and by colour-blind people."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

# Okabe and Ito's palette (2008): distinct for every common kind of colour blindness.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
# Bars that stand side by side differ by hatch as well: in print there is no colour.
SIDE_BY_SIDE = (("#999999", "..."), (BLUE, ""), ("#56B4E9", "///"), (GREEN, "xxx"))
WIDTH, HEIGHT = 8.0, 3.2


def bars(values: pd.Series, title: str, unit: str, color: str = BLUE) -> Axes:
    """One bar per entry of the series, its value above it."""
    axes = new_axes(title)
    if values.empty:
        axes.text(0.5, 0.5, "nothing to show", ha="center", transform=axes.transAxes)
        return axes
    labels = [str(label) for label in values.index]
    drawn = axes.bar(labels, values.to_numpy(dtype=float), color=color, width=0.8)
    axes.tick_params(axis="x", rotation=90 if len(values) > 12 else 45 if len(values) > 6 else 0)
    axes.set_ylabel(unit)
    axes.yaxis.set_major_formatter(StrMethodFormatter(number_format(values)))
    axes.set_xlabel(str(values.index.name or ""))
    if len(values) <= 12:
        axes.bar_label(drawn, fmt=number_format(values).replace("x", ""), fontsize=8, padding=2)
    plt.tight_layout()
    return axes


def grouped_bars(table: pd.DataFrame, title: str, unit: str) -> Axes:
    """One group per line of the table, one bar per column, its value above it; up to four."""
    axes = new_axes(title)
    if table.empty:
        axes.text(0.5, 0.5, "nothing to show", ha="center", transform=axes.transAxes)
        return axes
    width = 0.8 / len(table.columns)
    looks = SIDE_BY_SIDE[-len(table.columns) :] if len(table.columns) > 2 else SIDE_BY_SIDE
    for number, (column, (color, hatch)) in enumerate(zip(table.columns, looks, strict=False)):
        places = [group + (number + 0.5) * width - 0.4 for group in range(len(table))]
        drawn = axes.bar(
            places, table[column], width, label=column, color=color, hatch=hatch, edgecolor="white"
        )
        axes.bar_label(drawn, fmt="{:,.0f}", fontsize=7, padding=2)
    axes.set_xticks(range(len(table)), [str(label) for label in table.index])
    finish_axes(axes, unit)
    return axes


def stacked_bars(
    table: pd.DataFrame, looks: Mapping[str, tuple[str, str]], title: str, unit: str
) -> Axes:
    """One bar per line of the table, stacked from its columns; `looks` gives colour and hatch."""
    axes = new_axes(title)
    if table.empty:
        axes.text(0.5, 0.5, "nothing to show", ha="center", transform=axes.transAxes)
        return axes
    labels = [str(label) for label in table.index]
    below = pd.Series(0.0, index=table.index)
    for column, (color, hatch) in looks.items():
        axes.bar(
            labels,
            table[column].to_numpy(dtype=float),
            bottom=below.to_numpy(),
            label=column,
            color=color,
            hatch=hatch,
            edgecolor="white",
        )
        below += table[column].astype(float)
    axes.tick_params(axis="x", rotation=45 if len(labels) > 6 else 0)
    finish_axes(axes, unit)
    return axes


def finish_axes(axes: Axes, unit: str) -> None:
    """Unit, thousands and a legend that covers no bar."""
    axes.set_ylabel(unit)
    largest = max(axes.get_ylim())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if largest >= 10 else "{x:,.1f}"))
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    plt.tight_layout()


def new_axes(title: str) -> Axes:
    _, axes = plt.subplots(figsize=(WIDTH, HEIGHT))
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.15)
    return axes


def number_format(values: pd.Series) -> str:
    """Whole numbers, unless the greatest is so small that a decimal says something."""
    return "{x:,.0f}" if values.abs().max() >= 100 else "{x:,.2f}"
