"""Plots that can be read in print and by colour-blind people."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

# Okabe and Ito's palette (2008): distinct for every common kind of colour blindness.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
WIDTH, HEIGHT = 8.0, 3.2


def bars(values: pd.Series, title: str, unit: str, color: str = BLUE) -> Axes:
    """One bar per entry of the series, its value above it."""
    axes = new_axes(title)
    if values.empty:
        axes.text(0.5, 0.5, "nothing to show", ha="center", transform=axes.transAxes)
        return axes
    values.plot.bar(ax=axes, color=color, rot=45 if len(values) > 6 else 0, width=0.8)
    axes.set_ylabel(unit)
    axes.set_xlabel(str(values.index.name or ""))
    if len(values) <= 12:
        axes.bar_label(axes.containers[0], fmt="{:,.0f}", fontsize=8, padding=2)
    axes.figure.tight_layout()
    return axes


def new_axes(title: str) -> Axes:
    _, axes = plt.subplots(figsize=(WIDTH, HEIGHT))
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_formatter(plt.FuncFormatter(thousands))
    axes.margins(y=0.15)
    return axes


def thousands(value: float, _: Any) -> str:
    return f"{value:,.0f}"
