"""Figures for slides: 16:9, large type, computed from the shipped networks on drawn birds.

    python -m docs.slides OUT                 every figure as PNG (1920 × 1080) and PDF
    python -m docs.slides OUT strong_is_not_decisive --formats svg
"""
import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"       # Okabe and Ito: told apart by everyone
SIZE = {"font.size": 24, "axes.titlesize": 26, "axes.labelsize": 26, "xtick.labelsize": 22, "ytick.labelsize": 22, "legend.fontsize": 22, "font.family": "sans-serif",
        "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none", "figure.facecolor": "white"}


@cache
def _birds(n: int = 96) -> Any:
    from brnpa_nb.data.birds import Birds
    return Birds(n, split="valid", seed=1).draw()


@cache
def _net(name: str) -> Any:
    from brnpa_nb.demo import shipped
    return shipped(name)


def _images(n: int) -> Any: return _birds().images[:n].float() / 255


def _sheet(title: str) -> Any:
    "An empty slide with its statement on top."
    from matplotlib.figure import Figure
    fig = Figure(figsize=(16, 9), dpi=120)
    fig.text(.04, .92, title, fontsize=36, weight="bold", va="center")
    return fig


def _picture(fig: Any, at: tuple[float, float, float, float], image: Any, words: str) -> None:
    "A picture with its name beneath."
    ax = fig.add_axes(at)
    ax.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
    ax.set_xticks([]); ax.set_yticks([])
    for side in ax.spines.values(): side.set_visible(False)
    ax.set_xlabel(words, labelpad=10)


def _row(fig: Any, pictures: list[Any], names: list[str], bottom: float = .22, height: float = .55) -> None:
    width = .94 / len(pictures)
    for i, (p, name) in enumerate(zip(pictures, names)): _picture(fig, (.03 + i * width, bottom, width * .94, height), p, name)


def ranked_maps() -> Any:
    "One photograph, three ranks, all in one."
    from brnpa_nb.ranking import composite, display_maps
    from brnpa_nb.views.figures import overlay

    image, net = _images(8)[7:8], _net("birds_high")
    maps = net.explain(image)
    shares = maps.activity_shares()[0].tolist()
    fig = _sheet("What does the network look at, in which order?")
    _row(fig, [image[0], *(overlay(image[0], m, grey=True) for m in display_maps(maps)[0]), composite(maps, image, mode="bilinear")[0]],
         ["the photograph", *(f"rank {r + 1}: {100 * s:.0f} %" for r, s in enumerate(shares)), "all ranks"], .3, .45)
    fig.text(.04, .12, "Percentages: the share of the photograph's activity that a rank explains.", fontsize=24, color="#444")
    return fig


def grouping_by_hand() -> Any:
    "Score, similarity and what is left on a grid small enough for the blackboard."
    import torch
    from matplotlib.patches import Rectangle

    grid = torch.tensor([[[0, 1, 0, 0], [1, 6, 4, 0], [0, 5, 6, 0], [0, 0, 0, 0]], [[0, 0, 0, 4], [0, 0, 3, 4], [0, 0, 0, 3], [2, 1, 0, 0]]], dtype=torch.float32)
    activity = grid.norm(dim=0)
    seed = grid[:, 1, 1]
    similarity = torch.nan_to_num(torch.einsum("chw,c->hw", grid, seed) / (activity * seed.norm()))
    left = (1 - similarity) * activity
    fig = _sheet("One step of the grouping, on sixteen cells")
    steps = [(activity, "1  activity: the\nstrongest cell is the seed", (1, 1)), (similarity, "2  similarity\nto the seed", None), (left, "3  (1 − similarity) × activity:\nrank 2 starts here", tuple(divmod(int(left.argmax()), 4)))]
    for i, (values, words, mark) in enumerate(steps):
        ax = fig.add_axes((.05 + i * .315, .22, .27, .56))
        ax.imshow(values.numpy(), cmap="cividis", vmin=0, vmax=float(max(values.max(), 1e-6)))
        for r in range(4):
            for c in range(4): ax.text(c, r, f"{values[r, c]:.1f}".replace(".0", ""), ha="center", va="center", fontsize=28, color="black" if values[r, c] > .6 * values.max() else "white")
        if mark: ax.add_patch(Rectangle((mark[1] - .47, mark[0] - .47), .94, .94, fill=False, lw=6, ec=ORANGE))
        ax.set_xticks([]); ax.set_yticks([])
        ax.set_xlabel(words, labelpad=12)
    return fig


def coarse_and_fine() -> Any:
    "The same bird through one cell per 32 pixels and one per 4."
    from brnpa_nb.ranking import display_maps
    from brnpa_nb.views.figures import overlay

    image = _images(8)[7:8]
    pictures, names = [image[0]], ["the photograph"]
    for name in ("birds_low", "birds_high"):
        net = _net(name)
        shown = display_maps(net.explain(image))[0]
        pictures += [overlay(image[0], shown[r], grey=True, mode="nearest") for r in (0, 1)]
        names += [f"{96 // net.output_stride} × {96 // net.output_stride} cells\nrank {r}" for r in (1, 2)]
    fig = _sheet("Nine cells cannot say what 576 can")
    _row(fig, pictures, names, .3, .45)
    return fig


@cache
def _many() -> Any:
    "Every bird: maps, shares, contribution of each rank to the margin over the runner-up."
    import torch

    net, images = _net("birds_high"), _images(96)
    with torch.no_grad():
        maps = net.explain(images)
        best = net(images).topk(2).indices
        mine, other = (maps.contributions(net.classifier, best[:, k]).sum((-2, -1)) for k in (0, 1))
    return maps, maps.activity_shares(), mine - other


def strong_is_not_decisive() -> Any:
    "Activity share against margin, bird by bird."
    _, shares, margin = _many()
    fig = _sheet("Strong is not decisive")
    ax = fig.add_axes((.1, .14, .55, .68))
    for r, (colour, mark) in enumerate(((ORANGE, "o"), (BLUE, "s"), (GREEN, "^"))):
        ax.scatter(100 * shares[:, r], margin[:, r], color=colour, marker=mark, s=90, alpha=.7, label=f"rank {r + 1}", edgecolors="none")
    ax.set_xlabel("share of the activity (%)"); ax.set_ylabel("adds to the margin")
    ax.axhline(0, color="#888", lw=1.5)
    ax.legend(frameon=False, loc="upper right", borderpad=0, handletextpad=.1)
    wins = int((margin[:, 1] > margin[:, 0]).sum())
    fig.text(.69, .5, f"{len(margin)} birds. Margin: logit of\nthe best class minus that\nof the second best.\n\nRank 1 explains\n{100 * shares[:, 0].mean():.0f} % of the activity,\nrank 2 {100 * shares[:, 1].mean():.0f} %.\n\nOn {wins} of {len(margin)} birds\nrank 2 decides more.", fontsize=26, va="center")
    return fig


def ranks_are_not_identities() -> Any:
    "What the seed of each rank stands on, counted."
    import torch

    from brnpa_nb.data.birds import PARTS

    birds, (maps, _, _) = _birds(), _many()
    masks = torch.stack([birds.masks(i) for i in range(len(maps))]).float()
    h, w = maps.grid
    cells = torch.nn.functional.adaptive_avg_pool2d(masks, (h, w)).flatten(2)                 # (B, M, P) share of the cell
    groups = {"wing": ("wing",), "beak": ("beak",), "other parts": tuple(p for p in PARTS if p not in ("wing", "beak"))}
    counts = {}
    for r in range(maps.n_maps):
        here = cells.gather(2, maps.seeds[:, r][:, None, None].expand(-1, len(PARTS), 1))[..., 0]
        best = torch.where(here.amax(1) > 0, here.argmax(1), torch.tensor(-1))
        counts[r] = [sum(int((best == PARTS.index(p)).sum()) for p in some) for some in groups.values()] + [int((best == -1).sum())]
    fig = _sheet("Ranks are an order, not names of parts")
    ax = fig.add_axes((.12, .16, .84, .6))
    left = [0.] * maps.n_maps
    for k, (name, colour) in enumerate(zip([*groups, "background"], (BLUE, ORANGE, GREEN, "#BBBBBB"))):
        values = [counts[r][k] for r in range(maps.n_maps)]
        bars = ax.barh(range(maps.n_maps), values, left=left, color=colour, label=name)
        ax.bar_label(bars, [str(v) if v > 3 else "" for v in values], label_type="center", color="white" if name != "background" else "black", fontsize=24)
        left = [a + b for a, b in zip(left, values)]
    ax.set_yticks(range(maps.n_maps), [f"rank {r + 1}" for r in range(maps.n_maps)]); ax.invert_yaxis()
    ax.set_xlabel(f"where the rank's seed falls, {len(maps)} birds")
    ax.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(.5, 1.0))
    return fig


def pretty_without_learning() -> Any:
    "A has random weights, B is the trained network; the slide does not say so."
    import torch

    from brnpa_nb.evidence.sanity import randomised
    from brnpa_nb.ranking import display_maps
    from brnpa_nb.views.figures import overlay

    net, images = _net("birds_high"), _images(24)
    twin = net
    for _, copy in randomised(net): twin = copy                                            # the last one has lost everything
    fig = _sheet("One of these networks has learned nothing")
    chosen = torch.tensor([7, 14, 2, 20])
    for k, (model, name) in enumerate(((twin, "A"), (net, "B"))):
        shown = display_maps(model.explain(images[chosen]))
        for i, at in enumerate(chosen): _picture(fig, (.12 + i * .21, .47 - k * .37, .2, .36), overlay(images[at], shown[i, 0], grey=True), "")
        fig.text(.06, .65 - k * .37, name, fontsize=48, weight="bold", va="center")
    fig.text(.5, .045, "Which one? And how do you know?", fontsize=24, color="#444", ha="center")
    return fig


def three_tasks() -> Any:
    "Rank 1 of three networks on one bird."
    from brnpa_nb.data.birds import Birds
    from brnpa_nb.ranking import display_maps
    from brnpa_nb.three_tasks import three_networks
    from brnpa_nb.views.figures import overlay

    image = Birds(160, "test", "all", "individual", seed=4).draw().images[:1].float() / 255
    pictures = [image[0], *(overlay(image[0], display_maps(net.explain(image))[0, 0], grey=True) for net in three_networks().values())]
    fig = _sheet("Same pixels, another question")
    _row(fig, pictures, ["the photograph", "Which species?", "Which of five\nnew species?", "Which individual?"], .22, .58)
    return fig


def a_share_means_nothing() -> Any:
    "Attention by part, beside the part's size."
    from brnpa_nb.demo import rank_part_table, visible_areas

    table, area = rank_part_table(_net("birds_high"), _birds()), visible_areas(_birds())
    parts = sorted(area, key=lambda p: area[p], reverse=True)
    fig = _sheet("A share means nothing without the size of the part")
    ax = fig.add_axes((.09, .2, .87, .6))
    rank1 = next(iter(table.values()))
    for k, (values, colour, name) in enumerate((([100 * area[p] for p in parts], "#BBBBBB", "share of the picture"), ([100 * rank1[p] for p in parts], ORANGE, "share of rank 1's attention"))):
        ax.bar([i + (k - .5) * .4 for i in range(len(parts))], values, .4, color=colour, label=name)
    for i, p in enumerate(parts): ax.text(i, 100 * max(rank1[p], area[p]) + .4, f"{rank1[p] / area[p]:.1f} ×", ha="center", fontsize=22)
    ax.set_xticks(range(len(parts)), parts); ax.set_ylabel("%")
    ax.legend(frameon=False)
    return fig


FIGURES: dict[str, Callable[[], Any]] = {f.__name__: f for f in (ranked_maps, grouping_by_hand, coarse_and_fine, strong_is_not_decisive, ranks_are_not_identities, pretty_without_learning, three_tasks, a_share_means_nothing)}


def write(out: Path, names: list[str], formats: list[str]) -> list[Path]:
    "Each figure in each format."
    import matplotlib

    out.mkdir(parents=True, exist_ok=True)
    found = []
    with matplotlib.rc_context(SIZE):
        for name in names:
            fig = FIGURES[name]()
            for kind in formats:
                found.append(out / f"{name}.{kind}")
                fig.savefig(found[-1], dpi=120, metadata={"CreationDate": None} if kind == "pdf" else {"Date": None} if kind == "svg" else {"Software": None})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the figures")
    parser.add_argument("names", nargs="*", help=f"which ones; all if none: {', '.join(FIGURES)}")
    parser.add_argument("--formats", nargs="+", default=["png", "pdf"], choices=["png", "pdf", "svg"])
    args = parser.parse_args()
    if unknown := set(args.names) - set(FIGURES): parser.error(f"there is no figure {sorted(unknown)[0]!r}; there are {', '.join(FIGURES)}")
    for path in write(args.out, args.names or list(FIGURES), args.formats): print(f"{path.stat().st_size / 1000:6.0f} kB  {path}")


if __name__ == "__main__":
    main()
