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


def _birds(n: int, **how: Any) -> Any:
    "Drawn birds that no shipped network has seen, one of each species as far as they go."
    from brnpa_nb.data.birds import Birds

    birds = Birds(96, split="valid", seed=1, **how).draw()
    first = [int((birds.labels == k).nonzero()[0, 0]) for k in range(n)]
    return birds, birds.images[first].float() / 255, [birds.classes[int(birds.labels[i])] for i in first]


def _one(**controls: Any) -> dict[str, Any]:
    "The species network's ranked maps of six birds."
    from brnpa_nb.demo import shipped
    from brnpa_nb.views.explorer import explore

    _, images, names = _birds(6)
    net = shipped("birds_high")
    return {"views": [explore(net.explain(images), images, net.classifier, net.classes, names, **controls)]}


def _resolutions() -> dict[str, Any]:
    "One cell per 32 pixels beside one per 4."
    from brnpa_nb.demo import shipped
    from brnpa_nb.views.explorer import explore

    _, images, names = _birds(6)
    views = []
    for name in ("birds_low", "birds_high"):
        net = shipped(name)
        views.append(explore(net.explain(images), images, net.classifier, net.classes, names, rank=1, compact=bool(views)))
    return {"views": views, "headings": ["one cell per 32 pixels", "one cell per 4 pixels"]}


def _tasks() -> dict[str, Any]:
    "One bird under three questions."
    from brnpa_nb.data.birds import Birds
    from brnpa_nb.three_tasks import three_networks
    from brnpa_nb.views.explorer import explore

    birds = Birds(160, "test", "all", "individual", seed=4).draw()
    images = birds.images[:6].float() / 255
    names = [f"{birds.classes[k]}, camera {c}" for k, c in zip(birds.labels[:6].tolist(), birds.cameras[:6].tolist())]
    views = [explore(net.explain(images), images, captions=names, rank=1, compact=i > 0) for i, net in enumerate(three_networks().values())]
    return {"views": views, "headings": ["which species?", "which of five new species?", "which individual?"]}


ONE = (680, 1250, 1140)
EXPLORERS: dict[str, Live] = {
    "ranked_birds": Live("Six birds, three ranks", "Slide from rank to rank; touch the picture to see which positions resemble that one.", _one, ONE),
    "step_by_step": Live("The grouping, step by step", "Slide *step* from 0 upwards: a seed, the positions that resemble it, what is left; then the next rank.", lambda: _one(step=1), ONE),
    "contributions": Live("What a rank says", "The maps show contributions to the class: orange speaks for it, blue against it.", lambda: _one(show="contribution", rank=1), ONE),
    "two_resolutions": Live("The same network on a coarse and on a fine grid", "The left controls steer both.", _resolutions, (1120, 2230, 1930)),
    "three_tasks": Live("Same bird, three tasks", "The left controls steer all three.", _tasks, (1680, 3020, 2320)),
}
PLACES = {"01": ["ranked_birds"], "02": ["three_tasks"], "04": ["step_by_step"], "05": ["two_resolutions"], "06": ["contributions"], "12": ["three_tasks"]}   # tutorial → explorers


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
                f'<figcaption>Live: {live.text.replace("*step*", "<em>step</em>")} <a href="{at}">Open it alone</a></figcaption>\n</figure>')
    return html


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pages")
    parser.add_argument("names", nargs="*", default=list(EXPLORERS), help=f"which ones; all if none: {', '.join(EXPLORERS)}")
    args = parser.parse_args()
    for path in write(args.out, args.names): print(f"{path.stat().st_size / 1e6:5.1f} MB  {path}")


if __name__ == "__main__":
    main()
