"""Wrong answers to the exercises whose checks are in `brnpa_nb.exercises.tasks`."""
from itertools import permutations

import torch
from torch.nn.functional import cosine_similarity, normalize


# 10.1
def sums(embeddings, labels, way): return torch.stack([embeddings[labels == k].sum(0) for k in range(way)])
def block_means(embeddings, labels, way): return torch.stack([e.mean(0) for e in embeddings.chunk(way)])
def unit_first(embeddings, labels, way): return torch.stack([normalize(embeddings, dim=1)[labels == k].mean(0) for k in range(way)])
def unit_after(embeddings, labels, way): return normalize(torch.stack([embeddings[labels == k].mean(0) for k in range(way)]), dim=1)
def one_short(embeddings, labels, way): return torch.stack([embeddings[labels == k].mean(0) for k in range(way - 1)])


# 10.2
def dot(queries, centres): return (queries @ centres.T).argmax(1)
def half_a_cosine(queries, centres): return (normalize(queries, dim=1) @ centres.T).argmax(1)
def euclidean(queries, centres): return torch.cdist(queries, centres).argmin(1)
def scores(queries, centres): return normalize(queries, dim=1) @ normalize(centres, dim=1).T
def farthest(queries, centres): return scores(queries, centres).argmin(1)
def by_class(queries, centres): return scores(queries, centres).argmax(0)


# 10.3
def over_queries(right):
    right = right.float().flatten()
    return right.mean().item(), 1.96 * right.std().item() / len(right) ** .5


def over_columns(right):
    each = right.float().mean(0)
    return each.mean().item(), 1.96 * each.std().item() / len(each) ** .5


def scatter(right): return right.float().mean().item(), 1.96 * right.float().mean(1).std().item()
def standard_error(right): return right.float().mean().item(), right.float().mean(1).std().item() / len(right) ** .5
def ends(right):
    mean, half = right.float().mean().item(), 1.96 * right.float().mean(1).std().item() / len(right) ** .5
    return mean - half, mean + half


def mean_only(right): return right.float().mean().item()


# 10.4
def as_it_comes(query, photo): return cosine_similarity(query.flatten(), photo.flatten(), dim=0).item()
def greedy(query, photo): return ((query @ photo.T).amax(1).sum() / query.norm() / photo.norm()).item()
def average_order(query, photo): return sum(as_it_comes(query[list(o)], photo) for o in permutations(range(len(query)))) / len(list(permutations(range(len(query)))))
def three_only(query, photo): return max(as_it_comes(query[list(o)], photo) for o in permutations(range(3)))
def sum_of_ranks(query, photo): return cosine_similarity(query.sum(0), photo.sum(0), dim=0).item()


# 11.1
def keep_junk(person, camera, people, cameras): return ~((people == person) & (cameras == camera))
def no_own_camera(person, camera, people, cameras): return (cameras != camera) & (people != -1)
def no_own_person(person, camera, people, cameras): return (people != person) & (people != -1)
def turned(person, camera, people, cameras): return (people == person) & (cameras == camera) | (people == -1)
def right_only(person, camera, people, cameras): return (people == person) & (cameras != camera)


# 11.2
def from_zero(distances, right): return int((distances[~right] <= distances[right].min()).sum()) if right.any() else float("nan")
def kind_ties(distances, right): return 1 + int((distances[~right] < distances[right].min()).sum()) if right.any() else float("nan")
def zero_for_none(distances, right): return 1 + int((distances[~right] <= distances[right].min()).sum()) if right.any() else 0
def never_none(distances, right): return 1 + int((distances[~right] <= distances[right].min()).sum())
def farthest_first(distances, right): return 1 + int((distances[~right] >= distances[right].max()).sum()) if right.any() else float("nan")


# 11.3
def precision_of(right): return right.float().cumsum(0) / torch.arange(1, len(right) + 1)
def with_places(states): return precision_of(states == 1)[states == 1].mean().item()
def over_all_places(states): return precision_of(states[states >= 0] == 1).mean().item()
def over_the_list(states):
    right = states[states >= 0] == 1
    return precision_of(right)[right].sum().item() / len(right)


def reciprocal(states):
    right = states[states >= 0] == 1
    return 1 / (1 + int(right.int().argmax())) if right.any() else float("nan")


def zero_for_nothing(states):
    right = states[states >= 0] == 1
    return precision_of(right)[right].mean().item() if right.any() else 0.


# 11.4
def cosines(query, photo): return normalize(query, dim=1) @ normalize(photo, dim=1).T
def products(query, photo): return query @ photo.T
def concat_lengths(query, photo): return query @ photo.T / (query.norm() * photo.norm())
def other_way(query, photo): return photo @ query.T / (query.sum(0).norm() * photo.sum(0).norm())
def as_shares(query, photo): return query @ photo.T / (query @ photo.T).sum()


# 12.1
def share_only(weights, part): return (weights[part].sum() / weights.sum()).item() if part.any() else float("nan")
def unscaled(weights, part): return (weights[part].sum() / part.float().mean()).item() if part.any() else float("nan")
def by_cells(weights, part): return (weights[part].sum() / weights.sum() / part.sum()).item() if part.any() else float("nan")
def against_the_rest(weights, part): return (weights[part].mean() / weights[~part].mean()).item() if part.any() else float("nan")
def zero_if_absent(weights, part): return (weights[part].mean() / weights.mean()).item() if part.any() else 0.


# 12.2
def around(mean, half): return mean.item(), (mean - half).item(), (mean + half).item()
def with_nan(first, second): return around((first - second).mean(), 1.96 * (first - second).std() / len(first) ** .5)
def gaps(first, second): return (first - second)[~(first - second).isnan()]
def turned_sign(first, second): return around(gaps(second, first).mean(), 1.96 * gaps(second, first).std() / len(gaps(first, second)) ** .5)
def scattered(first, second): return around(gaps(first, second).mean(), 1.96 * gaps(first, second).std())
def counts_all(first, second): return around(gaps(first, second).mean(), 1.96 * gaps(first, second).std() / len(first) ** .5)


def strangers(first, second):
    both = ~(first.isnan() | second.isnan())
    return around(gaps(first, second).mean(), 1.96 * (first[both].var() / both.sum() + second[both].var() / both.sum()) ** .5)


def dropped_apart(first, second):
    a, b = first[~first.isnan()], second[~second.isnan()]
    return around(a.mean() - b.mean(), 1.96 * (a.var() / len(a) + b.var() / len(b)) ** .5)


# 12.3
def paint(photos, part, tone=.5): return torch.where(part[:, None], tone, photos)
def cosine(embed, photos, part): return cosine_similarity(embed(photos), embed(paint(photos, part)), dim=1)
def all_but_the_part(embed, photos, part): return 1 - cosine_similarity(embed(photos), embed(paint(photos, ~part)), dim=1)
def black(embed, photos, part): return 1 - cosine_similarity(embed(photos), embed(photos * ~part[:, None]), dim=1)
def mean_of_all(embed, photos, part): return (1 - cosine(embed, photos, part)).mean()


def in_place(embed, photos, part):
    before = embed(photos)
    photos.permute(0, 2, 3, 1)[part] = .5
    return 1 - cosine_similarity(before, embed(photos), dim=1)


def forgets_channels(embed, photos, part): return 1 - cosine_similarity(embed(photos), embed(torch.where(part, .5, photos)), dim=1)


WRONG: dict = {
    "10.1": [(sums, "sums over a class"), (block_means, "ask the labels"), (unit_first, "length 1 before"), (unit_after, "leave them as they are"), (one_short, "shape")],
    "10.2": [(dot, "favours long prototypes"), (half_a_cosine, "favours long prototypes"), (euclidean, "Euclidean"), (scores, "return the number"), (farthest, "farthest"), (by_class, "shape")],
    "10.3": [(over_queries, "the task is the unit"), (over_columns, "the rows are the tasks"), (scatter, "scatter of single tasks"), (standard_error, "one standard error"), (ends, "not the two ends"), (mean_only, "tuple")],
    "10.4": [(as_it_comes, "try all orders"), (greedy, "each is used once"), (average_order, "take the best"), (three_only, "IndexError"), (sum_of_ranks, "one after the other")],
    "11.1": [(keep_junk, "junk"), (no_own_camera, "strangers seen by it stay"), (no_own_person, "only those by its own camera"), (turned, "opposite"), (right_only, "wrong ones count")],
    "11.2": [(from_zero, "from 1"), (kind_ties, "wrong answers come first"), (zero_for_none, "NaN"), (never_none, "raised"), (farthest_first, "near")],
    "11.3": [(with_places, "take up places"), (over_all_places, "at the places of the right answers only"), (over_the_list, "number of right answers"), (reciprocal, "average over all right answers"), (zero_for_nothing, "NaN")],
    "11.4": [(cosines, "cosines of single ranks"), (products, "divide by the lengths"), (concat_lengths, "sum of the ranks"), (other_way, "rows"), (as_shares, "sum to the cosine")],
    "12.1": [(share_only, "share of attention"), (unscaled, "need not sum to 1"), (by_cells, "not by its number of cells"), (against_the_rest, "compare it with the whole"), (zero_if_absent, "NaN")],
    "12.2": [(with_nan, "leave out the birds"), (turned_sign, "sign"), (strangers, "standard deviation of the differences"), (scattered, "divide by √n"), (counts_all, "without a value"), (dropped_apart, "subtract first")],
    "12.3": [(cosine, "1 − cosine"), (all_but_the_part, "paint the part"), (black, "black"), (mean_of_all, "one for each photograph"), (in_place, "changes its argument"), (forgets_channels, "a dimension for the channels")],
}
