"""Figures of the page, each as the bytes of a PNG."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import MaxNLocator
from PIL import Image

# Inches at 100 CSS pixels each: two fit side by side on a desktop, and on a
# phone the texts are still to be read.
WIDTH, HEIGHT = 5.4, 3.2
_DPI = 160
STYLE = {
    # Names of classes and runs may hold a dollar.
    'text.parse_math': False,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'grid.color': '#e4e4e4',
    'axes.edgecolor': '#888888',
    'axes.axisbelow': True,
    'font.size': 10.5,
    'axes.titlesize': 11.5,
    'legend.frameon': False,
    'legend.fontsize': 9.5,
    'lines.linewidth': 1.7,
}
# Distinguished by people who see colours differently, too (Okabe and Ito).
COLOURS = (
    '#0072b2',
    '#d55e00',
    '#009e73',
    '#cc79a7',
    '#e69f00',
    '#56b4e9',
    '#555555',
    '#8a6d00',
)
# Classes of a matrix that is still to be read.
MOST_CLASSES = 30
# A legend or an axis has no room for more of a name.
LONGEST = 24
Curve = tuple[str, Sequence[float], Sequence[float]]
Panel = Callable[[Axes], None]


def lines(
    title: str,
    curves: Sequence[Curve],
    x_label: str,
    log: bool = False,
    marks: bool = False,
) -> bytes:
    """Curves over each other.

    Args:
        title (str): What all of them show.
        curves (Sequence[Curve]): Name, places and values of each; what is
            not finite is a gap.
        x_label (str): What the places are.
        log (bool): Whether values are drawn by their magnitude.
        marks (bool): Whether single values show.
    """

    def draw(axes: Axes) -> None:
        for index, (name, places, values) in enumerate(curves):
            shown = np.where(np.isfinite(values), values, np.nan)
            marked = marks or np.isfinite(shown).sum() < 3
            axes.plot(
                places,
                shown,
                label=drawable(name, f'run {index + 1}'),
                color=COLOURS[index % len(COLOURS)],
                linestyle=('-', '--', ':')[index // len(COLOURS) % 3],
                marker='o' if marked else None,
                markersize=3.5,
            )
        if log:
            axes.set_yscale('log')
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set(xlabel=x_label, title=drawable(title, ''))
        if len(curves) > 1:
            axes.legend(loc='best')

    return _png(draw)


def matrix(
    counts: np.ndarray, names: Sequence[str], note: str = ''
) -> tuple[bytes, int]:
    """A confusion matrix in shares of each true class.

    Args:
        counts (np.ndarray): (N, N), a row for each true class.
        names (Sequence[str]): The N classes.
        note (str): Added to the title.

    Returns:
        tuple[bytes, int]: The picture, and how many classes it has: of many,
        those that are confused most.
    """
    shown = most_confused(counts, MOST_CLASSES)
    totals = counts.sum(1, keepdims=True)
    shares = (counts / np.maximum(totals, 1))[np.ix_(shown, shown)]
    labels = [drawable(names[i], f'class {i}') for i in shown]
    side = float(np.clip(2.4 + 0.42 * len(shown), 4.2, 13))

    def draw(axes: Axes) -> None:
        axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        ticks = range(len(shown))
        axes.set_xticks(ticks, labels, rotation=90)
        axes.set_yticks(ticks, labels)
        axes.set(xlabel='predicted', ylabel='true')
        axes.set_title(f'share of each true class{note}')
        for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f'{100 * share:.0f}',
                ha='center',
                va='center',
                fontsize=9 if len(shown) < 20 else 7.5,
                color='white' if share > 0.55 else '#333333',
            )

    return _png(draw, (side, side)), len(shown)


def most_confused(counts: np.ndarray, most: int) -> list[int]:
    """Indices of the classes with most mistakes, in their own order."""
    if len(counts) <= most:
        return list(range(len(counts)))
    wrong = counts - np.diag(np.diag(counts))
    mistakes = wrong.sum(0) + wrong.sum(1)
    chosen = np.argsort(-mistakes, kind='stable')[:most]
    return sorted(chosen.tolist())


def reliability(
    edges: np.ndarray,
    counts: np.ndarray,
    confidence: np.ndarray,
    accuracy: np.ndarray,
    right: str,
) -> bytes:
    """How often predictions of a confidence are right.

    Args:
        edges (np.ndarray): (B + 1,) of the bins of confidence.
        counts (np.ndarray): (B,) predictions in each.
        confidence (np.ndarray): (B,) their mean confidence.
        accuracy (np.ndarray): (B,) the share of them that is right.
        right (str): What 'right' means.
    """
    filled = counts > 0

    def draw(axes: Axes) -> None:
        width = np.diff(edges)
        axes.bar(
            edges[:-1][filled],
            accuracy[filled],
            width[filled],
            align='edge',
            color='#b9d7ea',
            edgecolor='white',
        )
        axes.plot([0, 1], [0, 1], color='#888888', lw=1, ls='--')
        axes.plot(
            confidence[filled],
            accuracy[filled],
            color=COLOURS[0],
            marker='o',
            markersize=4,
        )
        share = counts / max(1, counts.sum())
        axes.bar(
            edges[:-1],
            0.18 * share / max(share.max(), 1e-12),
            width,
            align='edge',
            color='#d55e00',
            alpha=0.35,
        )
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel='confidence', ylabel=right)
        axes.set_title('reliability (orange: how many)')

    return _png(draw, (HEIGHT + 1, HEIGHT + 0.6))


def precision_recall(title: str, curves: Sequence[Curve]) -> bytes:
    """Precision by recall.

    Args:
        title (str): Of the figure.
        curves (Sequence[Curve]): Name, recall and precision of each, the
            mean first.
    """

    def draw(axes: Axes) -> None:
        for index, (name, recall, precision) in enumerate(curves):
            axes.plot(
                recall,
                precision,
                label=drawable(name, f'class {index}'),
                color='black' if not index else COLOURS[(index - 1) % 8],
                lw=2.4 if not index else 1.2,
            )
        axes.set(xlim=(0, 1), ylim=(0, 1.03))
        axes.set(xlabel='recall', ylabel='precision', title=title)
        if len(curves) > 1:
            axes.legend(loc='center left', bbox_to_anchor=(1, 0.5))

    return _png(draw, (WIDTH, HEIGHT + 0.4))


def panels(
    draws: Sequence[Panel],
    titles: Sequence[str],
    shape: tuple[int, int],
    size: str,
) -> bytes:
    """Pictures of one shape side by side.

    Args:
        draws (Sequence[Panel]): Each draws one into its axes.
        titles (Sequence[str]): What stands above each; may be empty.
        shape (tuple[int, int]): Height and width, of which the ratio counts.
        size (str): 'small' or 'large'.
    """
    width = WIDTH / 2 if size == 'small' else WIDTH
    each = width / len(draws)
    height = min(each * shape[0] / max(shape[1], 1), 2 * each)
    height += 0.25 if any(titles) else 0
    with drawing():
        figure = Figure((width, height), dpi=_DPI, layout='constrained')
        figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)
        row = figure.subplots(1, len(draws), squeeze=False)[0]
        for axes, draw, title in zip(row, draws, titles, strict=True):
            draw(axes)
            axes.set_axis_off()
            axes.set_title(drawable(title, ''), fontsize=9.5)
        png = _saved(figure)
    # A third of the bytes: the page holds many.
    picture = Image.open(io.BytesIO(png)).convert('RGB').quantize(256)
    buffer = io.BytesIO()
    picture.save(buffer, format='png', optimize=True)
    return buffer.getvalue()


def drawable(name: str, instead: str) -> str:
    """A name as it can be drawn: of its letters the font must have all.

    Args:
        name (str): Any text; a long one is cut.
        instead (str): What is drawn otherwise.
    """
    name = ' '.join(str(name).split())
    if len(name) > LONGEST:
        name = f'{name[: LONGEST - 1]}…'
    return name if all(map(_in_font, name)) else instead


@cache
def _in_font(letter: str) -> bool:
    return bool(_font().get_char_index(ord(letter)))


@cache
def _font() -> FT2Font:
    return FT2Font(findfont(FontProperties(family='DejaVu Sans')))


@contextmanager
def drawing() -> Iterator[None]:
    """The look of all figures, whatever a user's matplotlibrc has."""
    with style.context(['default', STYLE]):
        yield


def _png(
    draw: Callable[[Axes], None],
    size: tuple[float, float] = (WIDTH, HEIGHT),
) -> bytes:
    with drawing():
        figure = Figure(size, dpi=_DPI, layout='constrained')
        draw(figure.subplots())
        return _saved(figure)


def _saved(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', metadata={'Software': None})
    return buffer.getvalue()
