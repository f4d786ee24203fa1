"""A chart of how often each class occurs."""

from pathlib import Path

from matplotlib.figure import Figure

# Inches.
WIDTH, BAR, MARGIN = 8, 0.22, 1.0
# A taller picture has no names that one could read.
TALLEST = 200


def draw_class_counts(counts: dict[str, dict[str, int]], file: str) -> None:
    """Draws a bar for each class, a chart for each data set.

    Args:
        counts (dict[str, dict[str, int]]): Units of each class by the title
            of the chart.
        file (str): The picture; its suffix says in which format.
    """
    heights = [MARGIN + BAR * max(1, len(c)) for c in counts.values()]
    height = min(TALLEST, sum(heights) or MARGIN)
    figure = Figure(figsize=(WIDTH, height), layout='constrained')
    if counts:
        axes = figure.subplots(
            len(counts), squeeze=False, height_ratios=heights
        )
        for ax, (title, classes) in zip(
            axes[:, 0], counts.items(), strict=True
        ):
            bars = ax.barh(list(classes), list(classes.values()))
            ax.bar_label(bars, padding=3, fontsize=7)
            ax.margins(x=0.1)
            ax.invert_yaxis()
            ax.set_title(title, fontsize=9)
            ax.tick_params(labelsize=7)
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
