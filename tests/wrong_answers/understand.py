"""Wrong answers to the exercises whose checks are in `brnpa_nb.exercises.understand`."""
import torch
import torch.nn.functional as F


def last_of_equals(activity):
    flat = activity.flatten()
    return int((flat == flat.max()).nonzero()[-1])


def row_and_column(activity): return divmod(int(activity.argmax()), activity.shape[1])


def cosine(features, seed, eps=0.):
    n = features.norm(dim=0) + eps
    return torch.einsum("chw,c->hw", features, features.flatten(1)[:, seed]) / n / n.flatten()[seed]


def flat_cosine(features, seed):
    x = features.flatten(1)
    return F.cosine_similarity(x, x[:, seed, None], dim=0)


def product(features, seed): return torch.einsum("chw,c->hw", features, features.flatten(1)[:, seed])


def softmax(similarity): return similarity.flatten().softmax(0).view_as(similarity)


def by_the_largest(similarity): return similarity.clamp(min=0) / similarity.max().clamp(min=1e-9)


def zero_where_nothing(similarity): return similarity.clamp(min=0) / similarity.clamp(min=0).sum().clamp(min=1e-9)


def in_place(score, similarity):
    score *= 1 - similarity.clamp(min=0)
    return score


def loop(features, ranks, update=lambda a, s, n, p: (1 - s) * a, share=lambda a, s, n: (s * a).sum() / n.sum()):
    x, shares = features.flatten(1), []
    n = x.norm(dim=0)
    a = n
    for _ in range(ranks):
        p = int(a.argmax())
        s = x[:, p] @ x / (n + 1e-5) / (n[p] + 1e-5)
        shares.append(share(a, s, n))
        a = update(a, s, n, p)
    return torch.stack(shares)


def only_the_seed(a, s, n, p):
    a = a.clone()
    a[p] = 0
    return a


def means(mask, stride): return F.avg_pool2d(mask[None, None].float(), stride)


def spread(signal, kernel, gap, **how): return F.conv1d(signal[None, None], kernel[None, None], **({"padding": gap, "dilation": gap} | how))[0, 0]


def kl(student, teacher, t, total=lambda k: k.sum(1).mean()): return t**2 * total(F.kl_div((student / t).log_softmax(1), (teacher / t).softmax(1), reduction="none"))


WRONG: dict = {
    "4.1": [
        (lambda activity: int(activity.argmin()), "the seed of a 4 × 4 grid"),
        (lambda activity: activity.max(), "value of the strongest"),
        (last_of_equals, "take the first"),
        (row_and_column, "row by row"),
    ],
    "4.2": [
        (product, "dot products"),
        (lambda features, seed: product(features, seed) / features.norm(dim=0), "only one of the two lengths"),
        (cosine, "is NaN"),
        (flat_cosine, "has the shape"),
        (lambda features, seed: cosine(features, seed, 1e-5).clamp(min=0), "none of yours is negative"),
        (lambda features, seed: cosine(features / features.amax(), seed, .1), "too small"),
    ],
    "4.3": [
        (softmax, "softmax"),
        (lambda similarity: similarity / similarity.sum(), "negative"),
        (lambda similarity: similarity.abs() / similarity.abs().sum(), "points away from the seed gets a weight"),
        (lambda similarity: similarity.clamp(min=0) / similarity.clamp(min=0).sum(), "is NaN"),
        (zero_where_nothing, "all similarities are 0"),
        (by_the_largest, "but for a factor"),
    ],
    "4.4": [
        (lambda score, similarity: similarity * score, "what the rank explains"),
        (lambda score, similarity: score - similarity, "shares of the score"),
        (lambda score, similarity: 1 - similarity, "was there before"),
        (lambda score, similarity: (1 - similarity) * score, "has grown"),
        (lambda score, similarity: (1 - similarity.abs()) * score, "is wrong at"),
        (in_place, "changes its argument"),
    ],
    "4.5": [
        (lambda features, ranks: loop(features, ranks, lambda a, s, n, p: (1 - s) * n), "handed on"),
        (lambda features, ranks: loop(features, ranks, only_the_seed), "only the seed"),
        (lambda features, ranks: loop(features, ranks, share=lambda a, s, n: (s * a).sum() / a.sum()), "shares of what was left"),
        (lambda features, ranks: loop(features, ranks, share=lambda a, s, n: (s * a).sum()), "never larger than 1"),
        (lambda features, ranks: loop(features, ranks, share=lambda a, s, n: s.sum() / len(s)), "is wrong at"),
        (lambda features, ranks: loop(features, ranks).tolist(), "should be a tensor"),
        (lambda features, ranks: loop(features, ranks).nan_to_num(), "nothing is defined"),
    ],
    "5.1": [
        (lambda mask, stride: float(mask.float().mean()), "whole photograph"),
        (lambda mask, stride: float(means(mask, stride).max() * stride**2 / mask.sum()), "share of the part"),
        (lambda mask, stride: float(means(mask, stride)[means(mask, stride) > 0].mean()), "mean over the cells"),
        (lambda mask, stride: int(means(mask, stride).max() * stride**2), "number of pixels"),
        (lambda mask, stride: float(F.max_pool2d(mask[None, None].float(), stride).max()), "too large"),
        (lambda mask, stride: means(mask, stride), "one number"),
    ],
    "5.2": [
        (lambda signal, kernel, gap: spread(signal, kernel, gap, padding=1, dilation=1), "not spread"),
        (lambda signal, kernel, gap: spread(signal, kernel, gap, padding=1), "has the shape"),
        (lambda signal, kernel, gap: spread(signal, kernel, gap, padding=0), "ends are missing"),
        (lambda signal, kernel, gap: spread(signal, kernel.flip(0), gap), "turned round"),
        (lambda signal, kernel, gap: spread(signal, kernel, gap, padding=1, dilation=1, stride=gap), "slides in steps"),
        (lambda signal, kernel, gap: sum(k * signal.roll(-d) for k, d in zip(kernel, (-gap, 0, gap))), "ring"),
    ],
    "5.3": [
        (lambda row, column, stride: ((row + .5) * stride, (column + .5) * stride), "exchanged"),
        (lambda row, column, stride: (column * stride, row * stride), "corner"),
        (lambda row, column, stride: (column * stride + .5, row * stride + .5), "first pixel"),
        (lambda row, column, stride: ((column + 1) * stride, (row + 1) * stride), "too large"),
        (lambda row, column, stride: (column + .5) * stride, "should be a tuple"),
    ],
    "5.4": [
        (lambda student, teacher, t: kl(teacher, student, t), "exchanged"),
        (lambda student, teacher, t: kl(student, teacher, t) / t**2, "T²"),
        (lambda student, teacher, t: kl(student, teacher, t, torch.mean), "over classes"),
        (lambda student, teacher, t: kl(student, teacher, t, torch.sum), "sum over photographs"),
        (lambda student, teacher, t: -kl(student, teacher, t), "sign"),
        (lambda student, teacher, t: t**2 * kl(student, teacher, 1.), "not divided by T"),
        (lambda student, teacher, t: t**2 * F.cross_entropy(student / t, (teacher / t).softmax(1)), "cross-entropy"),
    ],
}
