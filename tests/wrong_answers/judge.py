"""Typical wrong answers to the exercises of tutorials 8, 9 and 13, each with a fragment of the message that it must get."""
from math import nan

import torch
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d


def single_values(values, draws=2000, seed=0): return values.quantile(.025).item(), values.quantile(.975).item()


def without_repetition(values, draws=2000, seed=0):
    means = torch.stack([values[torch.randperm(len(values))].mean() for _ in range(50)])
    return means.quantile(.025).item(), means.quantile(.975).item()


def means_of(values, ends, n=None, seed=0):
    rows = torch.randint(len(values), (2000, n or len(values)), generator=None if seed is None else torch.Generator().manual_seed(seed))
    return tuple(values[rows].mean(1).quantile(torch.tensor(ends)).tolist())


def coin(wins, losses, sides=2):
    from scipy.stats import binomtest
    return binomtest(wins, wins + losses, alternative="two-sided" if sides == 2 else "greater").pvalue if wins + losses else nan


def hit(m, mask): return float(mask.flatten()[m.argmax()])


def pearson(a, b):
    a, b = a.flatten().double() - a.double().mean(), b.flatten().double() - b.double().mean()
    return ((a * b).sum() / (a.norm() * b.norm())).item()


def places(m): return m.flatten().argsort().argsort()


def grey_edges(images, colour=lambda x: x.mean(1), size=abs):
    grey = colour(images)
    down, right = grey[..., 1:, :-1] - grey[..., :-1, :-1], grey[..., :-1, 1:] - grey[..., :-1, :-1]
    return size(down) + size(right)


def chosen(history, by, pick=max): return pick(history, key=lambda row: row[by])["test_accuracy"]


WRONG = {
    "8.1": [
        (lambda scores: sum(scores) / len(scores), "the mean of the scores"),
        (lambda scores: sum((a + b) / 2 for a, b in zip(scores, scores[1:])), "how wide is one step"),
        (lambda scores: sum((a + b) / 2 for a, b in zip(scores, scores[1:])) / len(scores), "how wide is one step"),
        (lambda scores: sum(scores[:-1]) / (len(scores) - 1), "too large"),
    ],
    "8.2": [
        (single_values, "where single values lie"),
        (without_repetition, "with* repetition"),
        (lambda values, draws=2000, seed=0: means_of(values, (.05, .95)), "on *each* side"),
        (lambda values, draws=2000, seed=0: means_of(values, (.975, .025)), "lower end comes first"),
        (lambda values, draws=2000, seed=0: means_of(values, (.025, .975), seed=None), "asked twice"),
        (lambda values, draws=2000, seed=0: means_of(values, (.025, .975), 4 * len(values)), "no more"),
    ],
    "8.3": [
        (lambda first, second: coin(int((first > second).sum()), int((~(first > second)).sum())), "six wins and six ties"),
        (lambda first, second: coin(int((first > second).sum()), int((first < second).sum()), 1), "one side only"),
        (lambda first, second: coin(int((first > second).sum()), int((first <= second).sum())), "a tie is no win and no loss"),
        (lambda first, second: 1. if (first == second).all() else coin(int((first > second).sum()), int((first < second).sum())), "six ties is undefined"),
    ],
    "9.1": [
        (hit, "flat map"),
        (lambda m, mask: nan if not mask.any() or not m.any() else hit(m, mask), "flat map"),
        (lambda m, mask: nan if m.max() == m.min() else hit(m, mask), "empty mask"),
        (lambda m, mask: nan if m.max() == m.min() or not mask.any() else float(mask.flatten()[m.argmin()]), "largest value lies inside"),
    ],
    "9.2": [
        (pearson, "values themselves"),
        (lambda a, b: pearson(a.flatten().argsort(), b.flatten().argsort()), "for each cell its place"),
        (lambda a, b: pearson(places(a), places(b)), "no order"),
        (lambda a, b: 0. if a.min() == a.max() or b.min() == b.max() else pearson(places(a), places(b)), "NaN is expected"),
    ],
    "9.3": [
        (lambda masks, grid: adaptive_max_pool2d(masks.float(), grid).mean(0), "share of its pixels"),
        (lambda masks, grid: adaptive_avg_pool2d(masks.float(), grid), "a map for each bird"),
        (lambda masks, grid: masks.float().mean(0), "number for each pixel"),
        (lambda masks, grid: adaptive_avg_pool2d(masks.float(), grid).sum(0), "factor"),
        (lambda masks, grid: adaptive_avg_pool2d(masks.float(), grid).mean(0) > .5, "fractions"),
    ],
    "9.4": [
        (lambda rows: min(rows[1:], key=lambda row: row.spearman.mean().item()).layer, "undefined bird"),
        (lambda rows: max(rows, key=lambda row: row.spearman.nanmean().item()).layer, "largest similarity"),
        (lambda rows: min(rows, key=lambda row: row.spearman.nanmean().item()).layer, "must not be chosen"),
        (lambda rows: min(rows[1:], key=lambda row: row.spearman.nan_to_num(9).min().item()).layer, "single lowest"),
        (lambda rows: min(rows[1:], key=lambda row: row.spearman.nanmean().item()), "name of its layer"),
    ],
    "9.5": [
        (lambda images: grey_edges(images, size=lambda x: x), "from bright to dark"),
        (lambda images: grey_edges(images, lambda x: x), "map for each colour"),
        (lambda images: grey_edges(images, lambda x: x.sum(1)), "factor"),
        (lambda images: torch.nn.functional.pad(grey_edges(images), (0, 1, 0, 1)), "as large as the photograph"),
    ],
    "13.1": [
        (lambda history: max(row["test_accuracy"] for row in history), "chosen by its test accuracy"),
        (lambda history: max(row["valid_accuracy"] for row in history), "flatter"),
        (lambda history: history[-1]["test_accuracy"], "last epoch"),
        (lambda history: chosen(history[::-1], "valid_accuracy"), "first of them"),
        (lambda history: max(history, key=lambda row: row["valid_accuracy"]), "whole row"),
    ],
    "13.2": [
        (lambda photographs, valid_share, epochs, seconds: photographs * epochs * seconds / 86_400, "set aside"),
        (lambda photographs, valid_share, epochs, seconds: photographs * (1 - valid_share) * epochs * seconds / 3600, "hours"),
        (lambda photographs, valid_share, epochs, seconds: photographs * valid_share * epochs * seconds / 86_400, "the others are trained on"),
        (lambda photographs, valid_share, epochs, seconds: photographs * (1 - valid_share) * seconds / 86_400, "too small"),
    ],
    "13.3": [
        (lambda low, high, margin: "same" if low <= 0 <= high else "different", "wide interval shows nothing"),
        (lambda low, high, margin: "different" if low > 0 or high < 0 else "same" if -margin <= low and high <= margin else "undecided", "large enough to matter"),
        (lambda low, high, margin: "different" if low > margin or high < -margin else "same" if -margin <= low and high <= margin else "undecided", "no interval at all"),
        (lambda low, high, margin: low > margin, "four texts"),
    ],
}
