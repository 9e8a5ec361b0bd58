"""Stand-alone explorers from the shipped networks: for the pages of the site, and to hand out in class.

    python -m docs.explorers OUT     a folder of pages that open from disk, without Python and without network
"""
import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Live:
    "One explorer: what it shows, who makes it, and how much room it wants."
    title: str
    text: str                   # what to do with it, one sentence
    make: Callable[[], dict[str, Any]]
    heights: tuple[int, int, int] # in pixels, on a wide screen, a tablet, a telephone


def _one(n: int, photos: slice, head: bool = True, **controls: Any) -> dict[str, Any]:
    "The species network's ranked maps of some of the birds that the tutorials show."
    from brnpa_nb.data.birds import Birds
    from brnpa_nb.demo import shipped
    from brnpa_nb.views.explorer import explore

    birds, net = Birds(n, split="valid", seed=1).draw(), shipped("birds_high")
    images = birds.images[photos].float() / 255
    names = [birds.classes[k] for k in birds.labels[photos].tolist()]
    return {"views": [explore(net.explain(images), images, net.classifier if head else None, net.classes if head else None, names, **controls)]}


def _side_by_side(birds: Any, photos: slice, networks: dict[str, Any], names: Sequence[str], heads: bool, **controls: Any) -> dict[str, Any]:
    "The same birds under several networks; the first steers."
    from brnpa_nb.views.explorer import explore

    images = birds.images[photos].float() / 255
    views = [explore(net.explain(images), images, net.classifier if heads else None, net.classes if heads else None, names, compact=i > 0, **controls) for i, net in enumerate(networks.values())]
    return {"views": views, "headings": list(networks)}


def _resolutions() -> dict[str, Any]:
    "One cell per 32 pixels beside one per 4."
    from brnpa_nb.data.birds import Birds
    from brnpa_nb.demo import shipped

    birds = Birds(96, split="valid", seed=1).draw()
    names = [birds.classes[k] for k in birds.labels[6:12].tolist()]
    return _side_by_side(birds, slice(6, 12), {"one cell per 32 pixels": shipped("birds_low"), "one cell per 4 pixels": shipped("birds_high")}, names, True, rank=1)


def _tasks() -> dict[str, Any]:
    "One bird under three questions."
    from brnpa_nb.data.birds import Birds
    from brnpa_nb.three_tasks import three_networks

    birds = Birds(160, split="test", species="all", label="individual", seed=4).draw()
    names = [f"{birds.classes[k]}, camera {c}" for k, c in zip(birds.labels[:8].tolist(), birds.cameras[:8].tolist())]
    asked = dict(zip(("which species?", "which of five new species?", "which individual?"), three_networks().values()))
    return _side_by_side(birds, slice(8), asked, names, False, rank=1)


EXPLORERS: dict[str, Live] = {
    "ranked_birds": Live("Twelve birds, three ranks", "slide from rank to rank, choose another bird, point at a position to see what resembles it.", lambda: _one(100, slice(12), False, photo=7), (690, 1310, 1130)),
    "all_controls": Live("Every control", "the same birds with all controls, and what each rank adds to a class.", lambda: _one(100, slice(12), photo=4), (690, 1340, 1220)),
    "step_by_step": Live("The grouping, step by step", "move *grouping*: the score and its seed, what resembles it, what is left; then the next rank.", lambda: _one(100, slice(7, 8), step=1), (720, 1240, 1130)),
    "contributions": Live("What a rank says", "contributions to the class: orange speaks for it, purple against it.", lambda: _one(96, slice(8), show="contribution", photo=2), (760, 1330, 1270)),
    "two_resolutions": Live("The same bird on a coarse and on a fine grid", "the controls on the left steer both.", _resolutions, (1290, 2240, 2030)),
    "three_tasks": Live("Same bird, three tasks", "the controls of the first steer all three.", _tasks, (1840, 3060, 2610)),
}
PLACES = {"01": "ranked_birds", "02": "all_controls", "04": "step_by_step", "05": "two_resolutions", "06": "contributions", "12": "three_tasks"}   # tutorial → what stands live under its first widget


def write(out: Path, names: Sequence[str] = tuple(EXPLORERS)) -> list[Path]:
    "One HTML file each."
    from brnpa_nb.views.explorer import close_all
    from brnpa_nb.views.export import to_html

    out.mkdir(parents=True, exist_ok=True)
    found = []
    for name in names:
        made = EXPLORERS[name].make()
        found.append(to_html(made["views"], out / f"{name}.html", title=EXPLORERS[name].title, headings=made.get("headings", ())))
        close_all(*made["views"])
    return found


def frame(name: str) -> Callable[[int], str]:
    "The HTML that shows an explorer inside a page, for a page so many folders deep."
    live = EXPLORERS[name]
    wide, middle, narrow = live.heights

    def html(depth: int) -> str:
        at = f"{'../' * depth}_static/explorers/{name}.html"
        return (f'<figure class="brnpa-live" style="--wide: {wide}px; --middle: {middle}px; --narrow: {narrow}px">\n<iframe src="{at}" title="{live.title}: live explorer" loading="lazy"></iframe>\n'
                f'<figcaption>Live: {live.text.replace("*grouping*", "<em>grouping</em>")} <a href="{at}">Open it alone</a></figcaption>\n</figure>')
    return html


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pages")
    parser.add_argument("names", nargs="*", default=list(EXPLORERS), help=f"which ones; all if none: {', '.join(EXPLORERS)}")
    args = parser.parse_args()
    for path in write(args.out, args.names): print(f"{path.stat().st_size / 1e6:5.1f} MB  {path}")


if __name__ == "__main__":
    main()
