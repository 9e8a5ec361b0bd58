"""A finer grid by other ways: coarse features upsampled under the photograph's guidance, and the fine grid in a region only.

    python -m tests.benchmarks.finer cost [--repeats 5] [--json]     time and arithmetic, over the low resolution's or the full grid's
    python -m tests.benchmarks.finer birds [--choose] [--json]       the drawn birds' deciding parts, shipped low-resolution network
    python -m tests.benchmarks.finer parts MODEL [--choose] [--json] part points of CUB-200-2011, a stride-32 model of those classes
    python -m tests.benchmarks.finer region MODEL [--json]           the region against the full grid, on CUB-200-2011
    python -m tests.benchmarks.finer memory [--repeats 5] [--json]   a training step with and without checkpointing

`--choose` prints the figures of every bandwidth, on drawn birds of another split or on training photographs; without it the chosen ones are judged.
Neither way to a finer grid met its rule (see RESULTS.md), so both live here and not in the package.
"""
import copy
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from brnpa_nb.data.birds import PARTS, Birds
from brnpa_nb.data.photos import Photos, from_original
from brnpa_nb.demo import shipped
from brnpa_nb.distillation import create_student
from brnpa_nb.evidence.localisation import box_masks, disc_masks, energy_inside, inside_boxes, inside_masks, nearest_parts, peaks
from brnpa_nb.evidence.statistics import summarise
from brnpa_nb.grouping import group
from brnpa_nb.models import AttentionModel, create_model, load_model
from brnpa_nb.ranking import RankedMaps, weighted_activity
from brnpa_nb.resolution import Step, _kind, _window, steps
from brnpa_nb.training import checkpointed
from tests.benchmarks.timing import arguments, peak, ratio, show

CHOSEN = {"birds": (.15, .4), "parts": (.25, .2)}                  # bandwidths: distance in coarse cells, colour in [0, 1]
SPACES, COLOURS = (.15, .25, .35, .5, .7, 1.), (.05, .1, .2, .4, 9.)


# Guided: every fine cell is a mean of the coarse cells around it, weighted by distance and by likeness of colour (Kopf et al., Joint Bilateral Upsampling, 2007).

def guided(
    features: Tensor,    # (B, C, h, w)
    images: Tensor,      # (B, 3, H, W) in [0, 1]
    factor: int,         # fine cells along a coarse cell
    space: float,        # bandwidth of the distance, in coarse cells
    colour: float,       # bandwidth of the colour, Euclidean in RGB
    radius: int = 1,     # coarse cells looked at on each side
) -> Tensor:             # (B, C, h · factor, w · factor)
    "Joint bilateral upsampling. The largest thing made besides the result is the coarse grid once for each cell of the window."
    (b, c, h, w), f, k = features.shape, factor, 2 * radius + 1
    def around(x: Tensor) -> Tensor: return F.unfold(F.pad(x, [radius] * 4, mode="replicate"), k).view(b, x.shape[1], k * k, h * w)
    fine, coarse = (F.interpolate(images, size=size, mode="area") for size in ((h * f, w * f), (h, w)))
    inside = fine.view(b, 3, h, f, w, f).permute(0, 1, 3, 5, 2, 4).reshape(b, 3, 1, f * f, h * w)
    unlike = (around(coarse)[:, :, :, None] - inside).square().sum(1)
    away = (torch.arange(-radius, radius + 1)[:, None] - (torch.arange(f) + .5) / f + .5) ** 2
    far = (away[:, None, :, None] + away[None, :, None]).reshape(k * k, f * f, 1)
    weights = (-far / (2 * space**2) - unlike / (2 * colour**2)).softmax(1)
    out = torch.einsum("bcks,bkfs->bcfs", around(features), weights)
    return out.view(b, c, f, f, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c, h * f, w * f)


# A region: early layers come from the coarse pass; behind stride 8 the spread layers run on the region only, and where their kernels reach over its edge they read
# the coarse pass's features at that layer, interpolated.

def along(cells: int, d: int, start: int, stop: int, end: int) -> Tensor:
    "(stop − start, cells): linear interpolation of values that stand at every d-th place; nothing outside 0 … end."
    j = torch.arange(start, stop)
    at = (j / d).clamp(0, cells - 1)
    low = at.floor().long()
    rows = torch.zeros(len(j), cells).scatter_add(1, low[:, None], (1 - at + low)[:, None]).scatter_add(1, (low + 1).clamp(max=cells - 1)[:, None], (at - low)[:, None])
    return rows * ((j >= 0) & (j < end))[:, None]


class Region:
    "A stride-32 model that gives its à trous grid of stride 8 in a box, and interpolates the coarse grid elsewhere. For networks whose late steps are convolutions with even padding."
    def __init__(self, low: AttentionModel, halo: int = 0, context: bool = True, stride: int = 8):
        self.low, self.full, self.halo, self.context, self.stride = low, create_student(low, stride).eval(), halo, context, stride
        backbone, self.margin = low.backbone, self.full.backbone.margin
        self.steps: dict[str, Step] = {s.name: s for s in steps(backbone.network, torch.zeros(1, 3, backbone.image_size, backbone.image_size), backbone._grid)[0]}
        self.network = copy.deepcopy(self.full.backbone.network)
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self.extent, self.box = (0, 0), (0, 0, 0, 0)
        for name, step in self.steps.items():
            module: Any = self.network.get_submodule(name)
            if step.after[0] <= stride: module.forward = lambda x, name=name: self._taken(name)
            elif module.kernel_size != (1, 1):
                window = _window(module)
                assert _kind(module) == "conv" and window.before == window.after, f"{name} is no convolution with even padding"
                module.padding, module.forward = (0, 0), lambda x, name=name, pad=window.before, run=module.forward: run(self._surrounded(name, x, *pad))

    def _taken(self, name: str) -> Tensor:
        "What the coarse pass found there, cut out."
        a, b, c, d = (v * self.stride // self.steps[name].after[0] for v in self.box)
        return self.outputs[name][..., a:b, c:d]

    def _surrounded(self, name: str, x: Tensor, py: int, px: int) -> Tensor:
        "`x` with the coarse pass's features around it; zeros where the picture ends, or without context."
        if not self.context: return F.pad(x, (px, px, py, py))
        (a, b, c, d), seen, s = self.box, self.inputs[name], self.steps[name].before[0] // self.stride
        rows, columns = (along(n, s, u, v, end) for n, u, v, end in zip(seen.shape[-2:], (a - py, c - px), (b + py, d + px), self.extent))
        y = rows @ seen @ columns.T
        y[..., py:py + b - a, px:px + d - c] = x
        return y

    def coarse(self, images: Tensor) -> tuple[Tensor, Tensor]:
        "The photographs with the margin of the full grid, and their coarse grid."
        backbone = self.low.backbone
        x = F.pad(backbone._normalised(images), (self.margin, 0, self.margin, 0))
        def note(name: str, early: bool) -> Callable[..., None]:
            def hook(module: nn.Module, args: tuple, out: Tensor) -> None: (self.outputs if early else self.inputs)[name] = out if early else args[0]
            return hook
        hooks = [backbone.network.get_submodule(n).register_forward_hook(note(n, s.after[0] <= self.stride)) for n, s in self.steps.items()]
        try: return x, backbone._grid(backbone.network, x)
        finally:
            for h in hooks: h.remove()

    def grid(self, images: Tensor, box: tuple[int, int, int, int], found: tuple[Tensor, Tensor] | None = None) -> Tensor:
        "(B, C, H / 8, W / 8): fine in `box` (top, bottom, left, right, in fine cells), interpolated elsewhere."
        x, coarse = found or self.coarse(images)
        H, W = self.extent = (x.shape[-2] // self.stride, x.shape[-1] // self.stride)
        h, w, d = H - self.margin // self.stride, W - self.margin // self.stride, self.low.backbone.native_stride // self.stride
        (a, b, c, e), halo = box, self.halo
        A, B, C, E = self.box = max(a - halo, 0), min(b + halo, H), max(c - halo, 0), min(e + halo, W)
        cut = self.low.backbone._grid(self.network, x[..., A * self.stride:B * self.stride, C * self.stride:E * self.stride])
        out = along(coarse.shape[-2], d, 0, h, h) @ coarse @ along(coarse.shape[-1], d, 0, w, w).T
        out[..., a:b, c:e] = cut[..., a - A:b - A, c - C:e - C]
        return out


# Localisation

Ways = dict[str, Callable[[Tensor], tuple[RankedMaps, Tensor]]]


def ways(low: AttentionModel, stride: int, chosen: tuple[float, float], choose: bool, others: dict[str, AttentionModel]) -> Ways:
    "Name → photographs to maps and logits."
    f = low.output_stride // stride
    def by(grid: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[RankedMaps, Tensor]]:
        def run(images: Tensor) -> tuple[RankedMaps, Tensor]:
            features = grid(images)
            maps = RankedMaps(group(features), (images.shape[-2], images.shape[-1]), features)
            return maps, low.classifier(maps.vectors.flatten(1))
        return run
    def explained(model: AttentionModel) -> Callable[[Tensor], tuple[RankedMaps, Tensor]]:
        def run(images: Tensor) -> tuple[RankedMaps, Tensor]:
            maps = model.explain(images)
            return maps, model.classifier(maps.vectors.flatten(1))
        return run
    atrous = create_student(low, stride).eval()
    found: Ways = {"coarse": by(low.backbone), f"à trous {stride}": explained(atrous)}
    def guide(s: float, c: float) -> Callable[[Tensor], tuple[RankedMaps, Tensor]]: return by(lambda x: guided(low.backbone(x), x, f, s, c))
    if choose: return found | {f"guided {s} {c}": guide(s, c) for s in SPACES for c in COLOURS}
    half = create_student(low, 2 * stride).eval()
    return found | {"bilinear": by(lambda x: F.interpolate(low.backbone(x), scale_factor=f, mode="bilinear")), "guided": guide(*chosen),
                    "distance only": guide(chosen[0], 9.), f"guided from {2 * stride}": by(lambda x: guided(half.backbone(x), x, 2, *chosen))} | {n: explained(m) for n, m in others.items()}


def judged(rows: dict[str, dict[str, list[Tensor]]], against: str) -> dict[str, dict[str, list[float]]]:
    "Per way and figure: mean with its interval, and the paired difference to `against` with its interval, all in percent."
    whole = {way: {k: torch.cat(v) for k, v in figures.items()} for way, figures in rows.items()}
    def told(v: Tensor) -> list[float]: return [round(100 * x, 1) for x in summarise(v)[:3]]
    return {way: {k: told(v) + ([] if way == against else told(v - whole[against][k])) for k, v in figures.items()} for way, figures in whole.items()}


def note(rows: dict, way: str, **figures: Tensor) -> None:
    for name, values in figures.items(): rows.setdefault(way, {}).setdefault(name, []).append(values)


def by_rank(name: str, values: Tensor) -> dict[str, Tensor]: return {f"{name} {r + 1}": values[:, r] for r in range(values.shape[1])}


def drawn(choose: bool, n: int) -> dict:
    "Wing and beak, which alone decide the species: share of the attention, and whether the peak lies there."
    low = shipped("birds_low")
    found: dict = {}
    birds = Birds(n, "valid", seed=11).draw() if choose else Birds(n, "test", seed=12).draw()
    deciding = torch.stack([birds.masks(i) for i in range(n)])[:, [PARTS.index("wing"), PARTS.index("beak")]].any(1)
    for stride in (8, 4):
        rows: dict = {}
        for way, run in ways(low, stride, CHOSEN["birds"], choose, {"shipped, distilled (stride 4)": shipped("birds_high")}).items():
            for i in torch.arange(n).split(50):
                maps, logits = run(birds.images[i].float() / 255)
                note(rows, way, accuracy=(logits.argmax(1) == birds.labels[i]).float(), **by_rank("energy", energy_inside(maps, deciding[i])), **by_rank("peak", inside_masks(peaks(maps), deciding[i])))
        found[f"stride {stride}"] = judged(rows, f"à trous {stride}")
    return found


def photographs(low: AttentionModel, test: bool, n: int, size: int = 224) -> Iterator[tuple[Tensor, Tensor, list[dict], list[Any]]]:
    "n photographs drawn by lot, in batches: images, labels, annotations, and where each photograph lies in its frame."
    from tests.benchmarks.cub import annotations
    every = [a for a in annotations().values() if a["test"] == test and a["class"] in low.classes]
    some = [every[i] for i in torch.randperm(len(every), generator=torch.Generator().manual_seed(0))[:n].tolist()]
    photos, edge = Photos([a["path"] for a in some], round(size / .875)), (round(size / .875) - size) // 2
    for i in range(0, len(some), 25):
        batch = [photos.read(k) for k in range(i, min(i + 25, len(some)))]
        images = torch.stack([p.image[:, edge:edge + size, edge:edge + size] for p in batch])
        yield images, torch.tensor([low.classes.index(a["class"]) for a in some[i:i + 25]]), some[i:i + 25], [(p.box, edge, round(size / .875)) for p in batch]


def seen(annotation: dict, where: tuple) -> tuple[Tensor, Tensor, Tensor]:
    "Box (x, y, w, h), part points (M, 2) and whether they are visible, in pixels of the image that the network sees."
    crop, edge, side = where
    x, y, w, h = annotation["box"]
    corners = from_original(torch.tensor([[x, y], [x + w, y + h]]), crop, (side, side)) - edge
    points = torch.tensor(annotation["parts"])
    return torch.cat([corners[0], corners[1] - corners[0]]), from_original(points[:, :2], crop, (side, side)) - edge, points[:, 2] > 0


def real(path: str, choose: bool, n: int, others: dict[str, AttentionModel]) -> dict:
    "Part points of real birds: peaks within a tenth and a twentieth of the box diagonal, attention in the box and in discs of a twentieth around the visible parts."
    low = load_model(path)
    rows: dict = {}
    named = ways(low, 8, CHOSEN["parts"], choose, others)
    for images, labels, annotations, places in photographs(low, not choose, n):
        boxes, points, visible = map(torch.stack, zip(*(seen(a, p) for a, p in zip(annotations, places))))
        diagonal = boxes[:, 2:].norm(dim=1)
        discs, box = disc_masks(points, visible, .05 * diagonal, (224, 224)).any(1), box_masks(boxes, (224, 224))
        for way, run in named.items():
            maps, logits = run(images)
            near, nearer = (nearest_parts(peaks(maps), points, visible, t * diagonal).hit for t in (.1, .05))
            note(rows, way, accuracy=(logits.argmax(1) == labels).float(), **by_rank("a tenth", near), mean=near.nanmean(1), **by_rank("a twentieth", nearer), **by_rank("in box", inside_boxes(peaks(maps), boxes)),
                 **by_rank("energy in box", energy_inside(maps, box)), **by_rank("energy in discs", energy_inside(maps, discs)))
    return judged(rows, "à trous 8")


# Regions

def counted(f: Callable[..., Any], *args: Any) -> tuple[Any, int]:
    "What `f` gives, and its arithmetic."
    with FlopCounterMode(display=False) as counter: found = f(*args)
    return found, counter.get_total_flops()


def around_seed(coarse: Tensor, n: int, cells: int) -> tuple[int, int, int, int]:
    "A square of fine cells around rank 1's coarse seed, moved into the picture."
    y, x = divmod(int(group(coarse[..., :n // 4, :n // 4], 1).seeds[0, 0]), n // 4)
    top, left = (min(max(4 * v - cells // 2, 0), n - cells) for v in (y, x))
    return top, top + cells, left, left + cells


def of_box(box: Tensor, n: int) -> tuple[int, int, int, int]:
    "The bird's box in fine cells, at least four each way."
    (x, y, w, h) = (box / 8).tolist()
    top, left = (min(max(int(v), 0), n - 4) for v in (y, x))
    return top, max(top + 4, min(n, int(-(-(y + h) // 1)))), left, max(left + 4, min(n, int(-(-(x + w) // 1))))


def inside(mixed: Tensor, full: Tensor, box: tuple[int, int, int, int]) -> dict[str, Tensor]:
    "How far the features inside a box are off, and how well the three ranks found there by grouping both agree."
    a, b, c, d = box
    ours, theirs = (RankedMaps(group(g[..., a:b, c:d]), (8 * (b - a), 8 * (d - c))) for g in (mixed, full))
    strong = [weighted_activity(m) >= .5 * weighted_activity(m).amax((-2, -1), keepdim=True) for m in (ours, theirs)]
    same = (ours.seeds == theirs.seeds).float()
    return {"error": ((mixed - full)[..., a:b, c:d].norm() / full[..., a:b, c:d].norm())[None], "same seed": same.mean(1), "same seed, rank 1": same[:, 0],
            "iou": ((strong[0] & strong[1]).sum((-2, -1)) / (strong[0] | strong[1]).sum((-2, -1))).mean(1), "cosine": F.cosine_similarity(ours.weights.flatten(2), theirs.weights.flatten(2), dim=2).mean(1)}


def region(path: str, size: int, n: int, cells: int, halos: tuple[int, ...]) -> dict:
    "Arithmetic over the full grid's (backbone alone), and agreement inside the region, for a square around rank 1's coarse seed and for the bird's box."
    low = load_model(path)
    rows: dict = {}
    nets = {(context, halo): Region(low, halo, context) for context, some in ((True, halos), (False, (0, 6))) for halo in some}
    first = nets[True, halos[0]]
    for images, _, annotations, places in photographs(low, True, n, size):
        for image, annotation, place in zip(images.split(1), annotations, places):
            (full, whole), ((_, coarse), once) = counted(first.full.backbone, image), counted(first.coarse, image)
            boxes = {"rank 1": around_seed(coarse, size // 8, cells), "bird": of_box(seen(annotation, place)[0], size // 8)}
            for (context, halo), net in nets.items():
                found = net.coarse(image)
                for name, box in boxes.items():
                    mixed, part = counted(net.grid, image, box, found)
                    share = (box[1] - box[0]) * (box[3] - box[2]) / (size // 8) ** 2
                    note(rows, f"{size} px, {name}, {'context' if context else 'zeros'}, halo {halo}", area=torch.tensor([share]), arithmetic=torch.tensor([(once + part) / whole]), **inside(mixed, full, box))
    return {way: {k: [round(v, 3) for v in summarise(torch.cat(values))[:3]] for k, values in figures.items()} for way, figures in rows.items()}


# Cost

def costs(name: str, size: int, repeats: int) -> dict[str, float]:
    "Of one network with random weights, one photograph, backbone and grouping together; the region is a square of 13 % in the middle."
    low, x, n = create_model(name, 10, image_size=size).eval(), torch.rand(1, 3, size, size), size // 8
    net, a, b = Region(low), n // 2 - round(.18 * n), n // 2 + round(.18 * n)
    wide = Region(low, 6)
    def coarse() -> object: return group(low.backbone(x))
    def full() -> object: return group(net.full.backbone(x))
    def upsampled() -> object: return group(guided(low.backbone(x), x, 4, *CHOSEN["parts"]))
    def part() -> object: return group(net.grid(x, (a, b, a, b)))
    def more() -> object: return group(wide.grid(x, (a, b, a, b)))
    case = f"{name}, {size} px"
    return {f"{case}: full grid / low": ratio(full, coarse, repeats), f"{case}: guided / low": ratio(upsampled, coarse, repeats), f"{case}: region / full grid": ratio(part, full, repeats),
            f"{case}: region with halo 6 / full grid": ratio(more, full, repeats), f"{case}: arithmetic, guided / low": counted(upsampled)[1] / counted(coarse)[1], f"{case}: arithmetic, region / full grid": counted(part)[1] / counted(full)[1],
            f"{case}: arithmetic, region with halo 6 / full grid": counted(more)[1] / counted(full)[1]}


def run(repeats: int = 5, networks: tuple[tuple[str, int], ...] = (("resnet18", 224), ("resnet18", 448), ("resnet50", 448))) -> dict[str, float]:
    "Figure → ratio."
    with torch.no_grad(): return {k: v for name, size in networks for k, v in costs(name, size, repeats).items()}


# Memory of training

def training(name: str, batch: int, repeats: int, size: int = 224) -> dict[str, float]:
    "One step at stride 8 (forward, backward), checkpointed over plain; peaks beyond parameters and photographs."
    model, x, y = create_model(name, 10, output_stride=8).train(), torch.rand(batch, 3, size, size), torch.zeros(batch, dtype=torch.long)
    def plain() -> None:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y).backward()
    def frugal() -> None:
        with checkpointed(model): plain()
    plain()                                                         # the profiler misses what the first call allocates
    case, often, rare = f"training, {name}, {size} px, batch {batch}", peak(plain), peak(frugal)
    return {f"{case}: plain, MiB": often / 2**20, f"{case}: checkpointed, MiB": rare / 2**20, f"{case}: bytes, checkpointed / plain": rare / often, f"{case}: time, checkpointed / plain": ratio(frugal, plain, repeats)}


def main() -> int:
    parser = arguments(__doc__, 5)
    parser.add_argument("what", choices=("cost", "birds", "parts", "region", "memory"))
    parser.add_argument("model", nargs="?", help="a stride-32 model of CUB classes")
    parser.add_argument("--high", help="its distilled student, judged beside the others")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--size", type=int, default=224)
    args = parser.parse_args()
    if args.what in ("parts", "region") and not args.model: parser.error(f"{args.what} needs a MODEL trained on CUB classes")
    torch.set_num_threads(args.threads)
    if args.what == "memory": show(training("resnet18", 4, args.repeats) | training("resnet50", 2, args.repeats), args.json); return 0
    with torch.no_grad():
        if args.what == "cost": show(run(args.repeats), args.json); return 0
        if args.what == "birds": found = drawn(args.choose, args.pictures)
        elif args.what == "parts": found = real(args.model, args.choose, args.pictures, {"distilled (stride 8)": load_model(args.high)} if args.high else {})
        else: found = region(args.model, args.size, args.pictures, round(.36 * args.size / 8), (0, 4, 6, 8, 12))
    if args.json: print(json.dumps(found, ensure_ascii=False))
    else:
        for name, value in found.items(): print(name, *(f"  {k}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items()), sep="\n")
    return 0


if __name__ == "__main__": sys.exit(main())
