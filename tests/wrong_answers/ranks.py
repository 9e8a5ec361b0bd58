"""Typical wrong answers to the exercises of tutorials 6 and 7, each with a fragment of what it must be told."""
import torch
from scipy.optimize import linear_sum_assignment
from torch.nn.functional import normalize


def margin_rank(x):
    winner, second = x.sum(0).topk(2).indices
    return int((x[:, winner] - x[:, second]).argmax()) + 1


def shares_left(similarity, activity, update):
    left, taken = activity, []
    for s in similarity:
        taken.append((s * left).sum())
        left = update(left, s)
    return torch.stack(taken) / activity.sum()


def changes_its_argument(similarity, activity):
    taken, whole = [], activity.sum()
    for s in similarity:
        taken.append((s * activity).sum())
        activity *= 1 - s
    return torch.stack(taken) / whole


def cosines(a, b): return normalize(a, dim=1) @ normalize(b, dim=1).T


def assigned(table): return torch.tensor(linear_sum_assignment(table.numpy(), maximize=True)[1])


def greedy(a, b):
    table, chosen = cosines(a, b), torch.zeros(len(a), dtype=torch.long)
    for _ in range(len(a)):
        i, j = divmod(int(table.argmax()), len(b))
        chosen[i], table[i], table[:, j] = j, -9, -9
    return chosen


def row(attention, prefix, width):
    found = attention.mean(0)[0, prefix:]
    return (found / found.sum()).view(-1, width)


def rolled(layers, step):
    found = torch.eye(len(layers[0]))
    for a in layers: found = step(a, found)
    return found


def skip(a): return (a + torch.eye(len(a))) / 2


def share(heat, mask): return (heat * mask).sum() / heat.sum()


WRONG = {
    "6.1": [(lambda s, a: s @ a / a.sum(), "no longer there for the next"),
            (lambda s, a: shares_left(s, a, lambda left, s: (1 - s) * left) * a.sum(), "not yet shares"),
            (lambda s, a: (x := shares_left(s, a, lambda left, s: (1 - s) * left)) / x.sum(), "as if nothing were left over"),
            (lambda s, a: shares_left(s, a, lambda left, s: s * left), "wrong at"),
            (lambda s, a: float(shares_left(s, a, lambda left, s: (1 - s) * left)[0]), "should be a tensor"),
            (changes_its_argument, "changes its argument number 2")],
    "6.2": [(lambda w, x, h: h @ x.T, "how much a cell weighs"),
            (lambda w, x, h: (w * (h @ x.T)).T, "shape"),
            (lambda w, x, h: (w * (h @ x.T)).abs(), "have a sign"),
            (lambda w, x, h: (w * (h @ x.T)).sum(0), "each rank has a row"),
            (lambda w, x, h: (w * (h @ x.T)).sum(), "shape"),
            (lambda w, x, h: w * (x @ h[0]), "weights of its own"),
            (lambda w, x, h: w * (h @ x), "raised RuntimeError")],
    "6.3": [(lambda x: margin_rank(x) - 1, "counted from 1"),
            (lambda x: int(x[:, x.sum(0).argmax()].argmax()) + 1, "may add as much to the runner-up"),
            (lambda x: int(x.sum(0).argmax()) + 1, "class, not a rank"),
            (lambda x: int(x.max(1).values.argmax()) + 1, "may add as much"),
            (lambda x: [margin_rank(x)], "should be a number")],
    "6.4": [(lambda a, b: cosines(a, b).argmax(1), "same partner"),
            (lambda a, b: assigned(a @ b.T), "because it is long"),
            (greedy, "best pair was taken first"),
            (lambda a, b: torch.arange(len(a)), "larger sum"),
            (lambda a, b: assigned(cosines(a, b)).argsort(), "other way round"),
            (lambda a, b: assigned(cosines(a, b)) + 1, "counted from 0"),
            (lambda a, b: assigned(-cosines(a, b)), "larger sum")],
    "7.1": [(lambda a, p, w: row(a.transpose(1, 2), p, w), "patches look at the class token"),
            (lambda a, p, w: row(a, 1, w), "come before the patches"),
            (lambda a, p, w: a.mean(0)[0, p:].view(-1, w), "does not sum to 1"),
            (lambda a, p, w: row(a, p, w).flatten().view(w, -1).T, "rows and columns of the grid"),
            (lambda a, p, w: a[:, 0, p:].unflatten(1, (-1, w)), "mean over heads"),
            (lambda a, p, w: row(a, p, w).flatten(), "shape")],
    "7.2": [(lambda layers: rolled(layers, lambda a, r: a @ r), "skip connection"),
            (lambda layers: rolled(layers[::-1], lambda a, r: skip(a) @ r), "wrong order"),
            (lambda layers: rolled(layers, lambda a, r: (a + torch.eye(len(a))) @ r), "divided by 2"),
            (lambda layers: torch.stack([skip(a) for a in layers]).mean(0), "averaged"),
            (lambda layers: torch.stack([skip(a) for a in layers]).prod(0), "entry by entry"),
            (lambda layers: rolled(layers, lambda a, r: skip(a) @ r)[0], "shape")],
    "7.3": [(lambda t, f: (t.norm(dim=1) > f * t.norm(dim=1).mean()).nonzero().flatten(), "raise the mean"),
            (lambda t, f: t.norm(dim=1) > f * t.norm(dim=1).median(), "indices of those"),
            (lambda t, f: int((t.norm(dim=1) > f * t.norm(dim=1).median()).sum()), "which ones"),
            (lambda t, f: (t.norm(dim=0) > f * t.norm(dim=0).median()).nonzero().flatten(), "shape"),
            (lambda t, f: (t.square().sum(1) > f * t.square().sum(1).median()).nonzero().flatten(), "the answer for 15 tokens")],
    "7.4": [(lambda m, k: float(share(m, k)), "knows nothing"),
            (lambda m, k: float(k.mean() / share(m, k)), "upside down"),
            (lambda m, k: float((m * k).sum() / k.mean()), "divide by its sum"),
            (lambda m, k: float(share(m, k) / k.sum()), "not a number of cells"),
            (lambda m, k: m * k, "should be one number")],
}
