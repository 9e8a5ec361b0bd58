"""Wrong answers to the exercises whose checks are in `brnpa_nb.exercises.look`."""
import torch


def scaled(m): return (m - m.min()) / (m.max() - m.min())


def share(shown, inside): return (shown * inside).sum((1, 2)) / shown.sum((1, 2))


def lost(seeds, before, after): return (1 - after / before).flatten(1)[:, seeds]


def as_mask(order, count, shown):
    mask = torch.zeros(shown.numel(), dtype=torch.bool)
    mask[order[:count]] = True
    return mask.view_as(shown)


def from_python_numbers(shown, inside):
    return torch.tensor([(m * inside).sum().item() / m.sum().item() / (inside.sum().item() / inside.numel()) for m in shown])


def forgetful_of_the_input(shown, share):
    shown[shown < shown.flatten().quantile(1 - share)] = 0
    return shown > 0


def spot(h, w, sigma, y, x, two=2): return torch.exp(-((torch.arange(h) - y)[:, None] ** 2 + (torch.arange(w) - x) ** 2) / (two * sigma ** 2))


def round_in_shares(h, w, sigma):                                    # a spot that is as oblong as the grid
    return torch.exp(-(torch.linspace(-1, 1, h)[:, None] ** 2 + torch.linspace(-1, 1, w) ** 2) / (2 * sigma ** 2))


def without_none(probabilities): return [p for p in probabilities if p is not None]


def centred(a, b): return a - a.mean(), b - b.mean()


WRONG: dict = {
    "1.1": [
        (lambda cell, columns, stride: ((cell // columns + .5) * stride, (cell % columns + .5) * stride), "x and y exchanged"),
        (lambda cell, columns, stride: (cell % columns * stride, cell // columns * stride), "upper left corner"),
        (lambda cell, columns, stride: (cell % columns + .5, cell // columns + .5), "counted in cells"),
        (lambda cell, columns, stride: divmod(cell, columns), "row and column"),
        (lambda cell, columns, stride: ((cell % stride + .5) * stride, (cell // stride + .5) * stride), "too"),
    ],
    "1.2": [
        (lambda weights, activity: torch.stack([scaled(m) for m in weights * activity]), "map by map"),
        (lambda weights, activity: scaled(weights), "no activity"),
        (lambda weights, activity: weights * activity, "not stretched"),
        (lambda weights, activity: weights * activity / (weights * activity).max(), "smallest value is not 0"),
        (lambda weights, activity: scaled((weights * activity).sum(0)), "shape"),
        (lambda weights, activity: scaled(weights + activity), "wrong at"),
    ],
    "1.3": [
        (share, "nothing?"),
        (lambda shown, inside: inside.float().mean() / share(shown, inside), "upside down"),
        (lambda shown, inside: (shown * inside).sum((1, 2)) / shown.sum() / inside.float().mean(), "all ranks"),
        (lambda shown, inside: share(shown, inside) / inside.sum(), "number of cells"),
        (lambda shown, inside: (shown * inside).sum() / shown.sum() / inside.float().mean(), "shape"),
        (lambda shown, inside: (share(shown, inside) / inside.float().mean()).nan_to_num(), "NaN is expected"),
        (from_python_numbers, "ZeroDivisionError"),
    ],
    "1.4": [
        (lambda seeds, before, after: lost(seeds, before, after).argmax(0), "less than a quarter"),
        (lambda seeds, before, after: lost(seeds, before, after).max(0).values, "whole numbers"),
        (lambda seeds, before, after: torch.where(lost(seeds, before, after).max(0).values >= .25, lost(seeds, before, after).argmax(0), 0), "which is a part"),
        (lambda seeds, before, after: torch.where(lost(seeds, before, after).abs().amax(0) >= .25, lost(seeds, before, after).abs().argmax(0), -1), "more activity than before"),
        (lambda seeds, before, after: torch.where((before - after).flatten(1)[:, seeds].amax(0) >= .25, (before - after).flatten(1)[:, seeds].argmax(0), -1), "not its share"),
        (lambda seeds, before, after: lost(seeds, before, after).argmax(1), "shape"),
    ],
    "2.1": [
        (lambda shown, share: shown >= (1 - share) * shown.max(), "taken by value"),
        (lambda shown, share: shown >= shown.flatten().topk(max(1, round(share * shown.numel()))).values[-1], "first few count"),
        (lambda shown, share: as_mask(shown.flatten().argsort(descending=True, stable=True), int(share * shown.numel()), shown), "too few"),
        (lambda shown, share: as_mask(shown.flatten().argsort(stable=True), max(1, round(share * shown.numel())), shown), "weakest"),
        (lambda shown, share: as_mask(shown.flatten().argsort(descending=True, stable=True), max(1, round(share * shown.numel())), shown).float(), "true and false"),
        (lambda shown, share: shown.flatten().argsort(descending=True)[:max(1, round(share * shown.numel()))], "shape"),
        (forgetful_of_the_input, "changes its argument"),
    ],
    "2.2": [
        (lambda a, b: float((a & b).sum() / (a | b).sum()), "either of them"),
        (lambda a, b: float((a & b).float().mean()), "whole grid"),
        (lambda a, b: float((a == b).float().mean()), "neither"),
        (lambda a, b: int((a & b).sum()), "number of cells"),
        (lambda a, b: (a & b).sum().item() / a.sum().item(), "ZeroDivisionError"),
        (lambda a, b: float((a & b).sum() / a.sum().clamp(min=1)), "NaN is expected"),
    ],
    "2.3": [
        (lambda by_rank: by_rank.argmax(1), "each rank by itself"),
        (lambda by_rank: by_rank.softmax(1).cumsum(0).argmax(1), "probabilities"),
        (lambda by_rank: by_rank.cumsum(0).argmax(0), "among ranks"),
        (lambda by_rank: by_rank.sum(0).argmax(), "single answer"),
        (lambda by_rank: by_rank.cumsum(0).amax(1), "whole numbers"),
        (lambda by_rank: by_rank.cumsum(1).argmax(1), "wrong at"),
    ],
    "2.4": [
        (lambda h, w, sigma: spot(h, w, sigma, h / 2, w / 2), "half a cell"),
        (lambda h, w, sigma: spot(h, w, sigma, h // 2, w // 2), "where a side is even"),
        (lambda h, w, sigma: spot(h, w, sigma, (h - 1) / 2, (w - 1) / 2, two=1), "too fast"),
        (lambda h, w, sigma: spot(h, w, sigma, (h - 1) / 2, (w - 1) / 2) / spot(h, w, sigma, (h - 1) / 2, (w - 1) / 2).sum(), "factor"),
        (lambda h, w, sigma: spot(w, h, sigma, (w - 1) / 2, (h - 1) / 2), "shape"),
        (round_in_shares, "wrong at"),
    ],
    "3.1": [
        (lambda height, width: max(height, width) / min(height, width), "above 1"),
        (lambda height, width: (min(height, width) / max(height, width)) ** 2, "around the photograph"),
        (lambda height, width: 1 - min(height, width) / max(height, width), "lost"),
        (lambda height, width: min(height, width) ** 2, "number of pixels"),
        (lambda height, width: width / height, "above 1"),
    ],
    "3.2": [
        (lambda x, y, side, height, width: (x * min(height, width) / side, y * min(height, width) / side), "something was cut off"),
        (lambda x, y, side, height, width: ((width - min(height, width)) / 2 + x, (height - min(height, width)) / 2 + y), "smaller or larger"),
        (lambda x, y, side, height, width: (x * width / side, y * height / side), "as if nothing"),
        (lambda x, y, side, height, width: (width - min(height, width) + x * min(height, width) / side, height - min(height, width) + y * min(height, width) / side), "both together"),
        (lambda x, y, side, height, width: ((width - min(height, width)) / 2 + x * side / min(height, width), (height - min(height, width)) / 2 + y * side / min(height, width)), "too"),
    ],
    "3.3": [
        (lambda a, b: float((a * b).sum() / (a.norm() * b.norm())), "first subtract"),
        (lambda a, b: float((centred(a, b)[0] * centred(a, b)[1]).sum()), "two lengths"),
        (lambda a, b: float((centred(a, b)[0] * centred(a, b)[1]).sum() / (a.norm() * b.norm())), "with their means"),
        (lambda a, b: abs(float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])), "wrong sign"),
        (lambda a, b: float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].nan_to_num()), "NaN is expected"),
        (lambda a, b: torch.corrcoef(torch.stack([a.flatten(), b.flatten()])), "one number"),
    ],
    "3.4": [
        (lambda probabilities, n: sorted(range(len(without_none(probabilities))), key=lambda i: without_none(probabilities)[i])[:n], "opens another photograph"),
        (lambda probabilities, n: sorted(range(len(probabilities)), key=lambda i: probabilities[i] or 0)[:n], "left out"),
        (lambda probabilities, n: sorted(range(len(probabilities)), key=lambda i: probabilities[i])[:n], "TypeError"),
        (lambda probabilities, n: sorted(without_none(probabilities))[:n], "holds probabilities"),
        (lambda probabilities, n: sorted((i for i, p in enumerate(probabilities) if p is not None), key=lambda i: -probabilities[i])[:n], "surest"),
        (lambda probabilities, n: [probabilities.index(p) for p in sorted(without_none(probabilities))[:n]], "twice"),
    ],
}
