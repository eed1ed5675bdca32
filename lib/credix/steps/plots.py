"""Plots that can be read in print and by colour-blind people."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

# Okabe and Ito's palette (2008): distinct for every common kind of colour blindness.
BLUE, VERMILION = "#0072B2", "#D55E00"
WIDTH, HEIGHT = 8.0, 3.2


def bars(values: pd.Series, title: str, unit: str, color: str = BLUE) -> Axes:
    """One bar per entry of the series, its value above it."""
    axes = new_axes(title)
    if values.empty:
        axes.text(0.5, 0.5, "nothing to show", ha="center", transform=axes.transAxes)
        return axes
    labels = [str(label) for label in values.index]
    drawn = axes.bar(labels, values.to_numpy(dtype=float), color=color, width=0.8)
    axes.tick_params(axis="x", rotation=45 if len(values) > 6 else 0)
    axes.set_ylabel(unit)
    axes.yaxis.set_major_formatter(StrMethodFormatter(number_format(values)))
    axes.set_xlabel(str(values.index.name or ""))
    if len(values) <= 12:
        axes.bar_label(drawn, fmt=number_format(values).replace("x", ""), fontsize=8, padding=2)
    plt.tight_layout()
    return axes


def new_axes(title: str) -> Axes:
    _, axes = plt.subplots(figsize=(WIDTH, HEIGHT))
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.15)
    return axes


def number_format(values: pd.Series) -> str:
    """Whole numbers, unless the greatest is so small that a decimal says something."""
    return "{x:,.0f}" if values.abs().max() >= 100 else "{x:,.2f}"
