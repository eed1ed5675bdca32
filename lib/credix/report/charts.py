"""Plots that can be read in print, on a phone and by colour-blind people."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

# Okabe and Ito's palette (2008): distinct for every common kind of colour blindness.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
GREY, SKY = "#999999", "#56B4E9"
# Bars side by side differ by hatch as well: in print there is no colour.
SIDE_BY_SIDE = ((GREY, "..."), (BLUE, ""), (SKY, "///"), (GREEN, "xxx"))
# Inches of 100 pixels: a phone shows the whole width and can still be read.
WIDTH, HEIGHT, LINE = 6.0, 3.0, 0.27
LETTERS_SIDE_BY_SIDE = 45
# Twice as many dots as a page needs, for print.
SHARP = 200
Looks = Mapping[str, tuple[str, str]]


def bars(values: pd.Series, title: str, unit: str, color: str = BLUE) -> None:
    """Plot one bar per entry of the series, its value above it."""
    axes = new_axes(title)
    if not values.empty:
        labels = [str(label) for label in values.index]
        drawn = axes.bar(labels, values.to_numpy(dtype=float), color=color, width=0.8)
        is_wide = len(values) > 6 or sum(map(len, labels)) > LETTERS_SIDE_BY_SIDE
        axes.tick_params(axis="x", rotation=90 if len(values) > 12 else 45 if is_wide else 0)
        axes.set_xlabel(str(values.index.name or ""))
        if len(values) <= 12:
            axes.bar_label(drawn, labels=[number(value) for value in values], padding=2)
    finish(axes, title, unit)


def grouped_bars(table: pd.DataFrame, title: str, unit: str) -> None:
    """Plot one group per line of the table and one bar per column, up to four, with its value."""
    axes = new_axes(title)
    width = 0.8 / max(1, len(table.columns))
    if not table.empty:
        for place, (column, (color, hatch)) in enumerate(
            zip(table.columns, SIDE_BY_SIDE, strict=False)
        ):
            places = [group + (place + 0.5) * width - 0.4 for group in range(len(table))]
            heights = table[column].astype(float).fillna(0)
            drawn = axes.bar(
                places, heights, width, label=column, color=color, hatch=hatch, edgecolor="white"
            )
            axes.bar_label(drawn, labels=[number(height) for height in heights], fontsize=7)
        axes.set_xticks(range(len(table)), [str(label) for label in table.index])
        show_legend(axes)
    finish(axes, title, unit)


def horizontal_stacked_bars(
    table: pd.DataFrame, looks: Looks, title: str, unit: str, labels: Sequence[str]
) -> None:
    """Plot one stacked bar per line of the table, from the top, with its label after it.

    `looks` gives colour and hatch of each column.
    """
    axes = new_axes(title, max(1.5, LINE * len(table) + 1.1))
    if not table.empty:
        places = range(len(table))
        left = pd.Series(0.0, index=range(len(table)))
        for column, (color, hatch) in looks.items():
            widths = table[column].astype(float).reset_index(drop=True)
            axes.barh(
                places,
                widths,
                left=left,
                label=column,
                color=color,
                hatch=hatch,
                edgecolor="white",
            )
            left += widths
        for place, (end, label) in enumerate(zip(left, labels, strict=True)):
            axes.annotate(label, (end, place), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(places, [str(label) for label in table.index])
        axes.set_ylim(len(table) - 0.4, -0.6)
        axes.margins(x=0.2)
        if len(looks) > 1 and list(table.index) != list(looks):
            show_legend(axes)
    finish(axes, title, unit, is_horizontal=True)


def spans(
    bounds: Mapping[str, tuple[float, float | None]], title: str, unit: str, labels: Sequence[str]
) -> None:
    """Plot one span per name, from its lower to its upper bound; open where there is none."""
    axes = new_axes(title, LINE * len(bounds) + 1.1)
    longest = max((bound for each in bounds.values() for bound in each if bound), default=0)
    for place, (least, most) in enumerate(bounds.values()):
        end, hatch = (longest * 1.15, "///") if most is None else (most, "")
        axes.barh(place, end - least, 0.4, least, color=SKY, hatch=hatch, edgecolor=BLUE)
        axes.plot([least], [place], marker="|", color=BLUE, markersize=14, markeredgewidth=3)
        label = f"▸ {labels[place]}" if most is None else labels[place]
        axes.annotate(label, (end, place), (5, 0), textcoords="offset points", va="center")
    if bounds:
        axes.set_yticks(range(len(bounds)), list(bounds))
        axes.set_ylim(len(bounds) - 0.5, -0.5)
        axes.set_xlim(0, longest * 1.6 or 1)
    finish(axes, title, unit, is_horizontal=True)


def new_axes(title: str, height: float = HEIGHT) -> Axes:
    figure, axes = plt.subplots(figsize=(WIDTH, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.15)
    return axes


def show_legend(axes: Axes) -> None:
    """Place the legend above the bars, so that it covers none and takes no width."""
    axes.legend(
        fontsize=8,
        frameon=False,
        ncols=4,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.02),
        borderaxespad=0,
    )


def finish(axes: Axes, title: str, unit: str, *, is_horizontal: bool = False) -> None:
    """Label the axis of numbers, then show the plot or print that it is empty."""
    axis = axes.xaxis if is_horizontal else axes.yaxis
    axis.set_label_text(unit)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if not is_horizontal and axes.dataLim.height == 0:
        # Around bars of nothing the axis would show what is less than nothing.
        axes.set_ylim(0, 1)
    figure, is_empty = plt.gcf(), not axes.has_data()
    picture = BytesIO()
    if not is_empty:
        figure.savefig(picture, dpi=SHARP)
    plt.close(figure)
    if is_empty:
        print(f"{title}: nothing to show")
    else:
        display(Image(picture.getvalue(), width=round(100 * WIDTH), alt=f"{title}, {unit}"))


def number(value: float) -> str:
    """Return a bar's value as text: an integer, or with the decimals that matter."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.2f}"
