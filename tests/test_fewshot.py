"""Episodes over drawn data sets, workers and processes; accuracy against a slow reference; decisions that sum to their scores."""
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from brnpa_nb.data.episodes import KINDS, EpisodeSampler, few_shot_lookalike, few_shot_split, split_classes, split_episode
from brnpa_nb.models import create_model, load_model
from brnpa_nb.tasks.fewshot import FewShotMethod, cached_features, class_scores, cosine_linear_mixture, episode_accuracy, explain_episode, prototype_mixture, validate_by_episodes
from brnpa_nb.training import Recipe, fit
from tests.real import DATA, needs


@st.composite
def exams(draw):
    "Labels of any values and order, and an exam that they allow."
    way, shot, query = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    names = draw(st.lists(st.integers(-5, 1000), min_size=way, max_size=way + 3, unique=True))
    labels = [k for k in names for _ in range(shot + query + draw(st.integers(0, 3)))]
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(labels))
    return np.array(labels)[order], dict(way=way, shot=shot, query=query, episodes=draw(st.integers(1, 7)), seed=draw(st.integers(0, 2**40)))


@settings(max_examples=80, deadline=None)
@given(exams(), st.integers(0, 5), st.integers(1, 4))
def test_episodes(exam, epoch, world):
    labels, how = exam
    sampler = EpisodeSampler(labels, **how)
    sampler.epoch = epoch
    every = list(sampler)
    assert len(every) == len(sampler) == how["episodes"]
    for k, indices in enumerate(every):
        assert sampler[k] == indices and len(set(indices)) == len(indices)
        kinds = labels[indices].reshape(how["way"], -1)
        assert (kinds == kinds[:, :1]).all() and len(set(kinds[:, 0])) == how["way"]
        parts = split_episode(torch.tensor(indices), how["way"], how["shot"])
        assert not set(parts.support.tolist()) & set(parts.query.tolist())
        assert torch.bincount(parts.support_labels).tolist() == [how["shot"]] * how["way"]
        assert torch.bincount(parts.query_labels).tolist() == [how["query"]] * how["way"]
        assert (labels[parts.query.numpy()] == kinds[parts.query_labels.numpy(), 0]).all()
    shards = [list(sampler.shard(r, world)) for r in range(world)]
    assert [shards[k % world][k // world] for k in range(len(every))] == every and sum(map(len, shards)) == len(every)
    again = EpisodeSampler(torch.tensor(labels), **how)
    again.epoch = epoch
    assert list(again) == every
    assert all(isinstance(i, int) for i in every[0])


def test_epochs_and_seeds_differ_and_classes_come_up_equally():
    labels = np.repeat(np.arange(10), 30)
    first, second = EpisodeSampler(labels, episodes=400), EpisodeSampler(labels, episodes=400, seed=1)
    before = list(first)
    first.epoch = 1
    assert not any(a == b for other in (list(first), list(second)) for a, b in zip(before, other))
    counts = np.bincount(labels[np.array(before)[:, ::20]].ravel(), minlength=10)
    assert abs(counts - 200).max() < 45                      # 4.5 standard deviations
    positions = np.bincount(np.array(before)[:, 0] % 30, minlength=30)
    assert positions.min() > 0                               # every picture may be support


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_do_not_change_the_episodes(workers):
    sampler = EpisodeSampler(np.repeat(np.arange(6), 9), 3, 2, 4, 5, seed=3)
    data = torch.utils.data.TensorDataset(torch.arange(54))
    loader = DataLoader(data, batch_sampler=sampler, num_workers=workers, persistent_workers=workers > 0)
    for epoch in (0, 1, 0):
        sampler.epoch = epoch
        assert [batch[0].tolist() for batch in loader] == list(sampler)


@given(st.integers(4, 60), st.integers(0, 99))
def test_split_classes(n, seed):
    parts = split_classes(n, seed=seed)
    assert sorted(sum(parts, ())) == list(range(n)) and all(parts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folders", [False, True])
def test_lookalikes(kind, folders, tmp_path):
    if folders and kind in ("cub", "folder"): return
    split = few_shot_split(kind, few_shot_lookalike(kind, tmp_path, folders, pictures=3), 32, incomplete=True)
    assert [(len(p), len(p.classes)) for p in split[:3]] == [(12, 4), (6, 2), (6, 2)]
    image, label = split.novel[-1]
    assert image.shape == (3, 32, 32) and label == 1 and split.novel.labels.tolist() == [0, 0, 0, 1, 1, 1]
    if kind not in ("folder",):
        with pytest.raises(ValueError, match="copy the rest"): few_shot_split(kind, tmp_path, 32)


def test_a_class_in_two_parts_is_refused(tmp_path):
    few_shot_lookalike("folder", tmp_path)
    (tmp_path / "few_shot_split.json").write_text(json.dumps({"base": ["bird_0"], "val": ["bird_1"], "novel": ["bird_0"]}))
    with pytest.raises(ValueError, match="'bird_0' .* is in base and in novel"): few_shot_split("folder", tmp_path)


@needs("cub", "few_shot_split.json")
def test_the_json_of_the_real_data_is_the_customary_split(tmp_path):
    (tmp_path / "images").symlink_to(DATA / "cub" / "images")
    with pytest.raises(ValueError, match="cub has 100"): few_shot_split("cub", tmp_path)
    custom, file = few_shot_split("cub", tmp_path, incomplete=True), few_shot_split("cub", DATA / "cub")
    assert [p.classes for p in custom[:3]] == [p.classes for p in file[:3]] and len(file.novel) == 346


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("way, shot, query", [(5, 1, 4), (3, 2, 3)])
def test_accuracy_against_a_slow_reference(distance, way, shot, query):
    torch.manual_seed(0)
    labels = torch.arange(7).repeat(12)
    embeddings = F.one_hot(labels, 7) + .4 * torch.randn(84, 7)
    found = episode_accuracy(embeddings, labels, way, shot, query, 120, distance=distance, seed=5)
    right = []
    for indices in EpisodeSampler(labels, way, shot, query, 120, seed=5):
        rows, hits = [indices[k * (shot + query):(k + 1) * (shot + query)] for k in range(way)], 0
        means = [sum(embeddings[i].double() for i in row[:shot]) / shot for row in rows]
        for k, row in enumerate(rows):
            for i in row[shot:]:
                near = [-(embeddings[i] - m).norm() if distance == "euclidean" else embeddings[i].double() @ m / m.norm() for m in means]
                hits += int(np.argmax([float(x) for x in near]) == k)
        right.append(hits / (way * query))
    np.testing.assert_allclose(found.per_episode, right, atol=1e-9)
    assert found.mean == pytest.approx(np.mean(right)) and found.high - found.mean == pytest.approx(1.96 * np.std(right, ddof=1) / 120**.5) and found.chance == 1 / way
    assert .5 < found.mean < .99                             # neither trivial nor hopeless


def test_the_interval_covers():
    "Of 60 exams with other tasks, about 95 % of the intervals hold the mean over very many tasks."
    torch.manual_seed(1)
    labels = torch.arange(8).repeat(40)
    embeddings = F.one_hot(labels, 8) + .7 * torch.randn(320, 8)
    truth = episode_accuracy(embeddings, labels, 5, 1, 5, 6000, seed=99).mean
    found = [episode_accuracy(embeddings, labels, 5, 1, 5, 60, seed=s) for s in range(60)]
    assert sum(f.low <= truth <= f.high for f in found) >= 52


def test_many_tasks_side_by_side_are_fitted_as_if_alone():
    torch.manual_seed(0)
    support, labels = torch.randn(4, 6, 12), torch.arange(3).repeat(2)
    together = cosine_linear_mixture(support, labels, 3)
    torch.testing.assert_close(together, torch.stack([cosine_linear_mixture(s, labels, 3) for s in support]), rtol=1e-4, atol=1e-5)
    start, end = (F.cross_entropy((10 * class_scores(support, m @ support)).flatten(0, 1), labels.repeat(4)) for m in (prototype_mixture(support, labels, 3), together))
    assert end < start


def network(combine="concat", neck=False, pooling="brnpa"):
    torch.manual_seed(0)
    model = create_model("resnet10t", n_classes=5, network_args={"channels": (8, 16, 24, 32)}, combine=combine, neck=neck, pooling=pooling, output_stride=8)
    if neck: model.train()(photos(16))                      # statistics for the neck
    return model.eval()


def photos(n, seed=0):
    "Pictures that differ: noise under smooth light of three colours."
    generator = torch.Generator().manual_seed(seed)
    light = F.interpolate(torch.rand(n, 3, 3, 3, generator=generator), 64, mode="bilinear")
    return light * torch.rand(n, 3, 64, 64, generator=generator)


@pytest.mark.parametrize("pooling", ["brnpa", "average", "bcnn"])
@pytest.mark.parametrize("combine", ["concat", "sum"])
@pytest.mark.parametrize("neck", [False, True])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_contributions_sum_to_the_scores(pooling, combine, neck, distance):
    model = network(combine, neck, pooling)
    support, query, labels = photos(6, 1), photos(4, 2), torch.tensor([2, 0, 1, 1, 2, 0])
    for learn in (prototype_mixture, cosine_linear_mixture):
        found = explain_episode(model, support, labels, query, distance, learn)
        with torch.no_grad(): s, q = model.embed(support).double(), model.embed(query).double()
        w = learn(s.float(), labels, 3).double() @ s
        scores = F.normalize(q, dim=1) @ F.normalize(w, dim=1).T if distance == "cosine" else -torch.cdist(q, w)**2
        best = scores.topk(2)
        assert (found.winner == best.indices[:, 0]).all() and (found.runner_up == best.indices[:, 1]).all()
        for decision, value in ((found.for_winner, best.values[:, 0]), (found.for_runner_up, best.values[:, 1]), (found.difference, best.values[:, 0] - best.values[:, 1])):
            total = decision.contributions.double().sum((1, 2, 3)) + decision.rest
            torch.testing.assert_close(total, value, rtol=0, atol=1e-4)
            if pooling != "bcnn":
                torch.testing.assert_close(decision.pairs.double().sum((1, 2)) + decision.rest, value, rtol=0, atol=1e-4)
                torch.testing.assert_close(decision.pairs.sum(2), decision.contributions.sum((2, 3)), rtol=0, atol=1e-4)
        if combine == "concat": assert (found.for_winner.pairs - found.for_winner.pairs.diagonal(dim1=1, dim2=2).diag_embed()).abs().max() == 0


def test_ranks_of_a_class_are_the_means_of_its_photographs_ranks():
    model, images = network("sum"), photos(5)
    found = explain_episode(model, images[:4], torch.tensor([0, 0, 1, 1]), images[4:])
    v, q = found.support.vectors, found.for_winner.maps.vectors[0]
    k = int(found.winner[0])
    mean = v[2 * k:2 * k + 2].mean(0)
    expected = q @ mean.T / (q.sum(0).norm() * mean.sum(0).norm())
    torch.testing.assert_close(found.for_winner.pairs[0], expected, rtol=1e-4, atol=1e-6)


def test_the_calling_convention_of_few_shot_libraries():
    model = network("sum", neck=True).train()
    support, query, labels = photos(6, 1), photos(4, 2), torch.arange(3).repeat(2)
    method = FewShotMethod(model, temperature=.1)
    with pytest.raises(RuntimeError, match="process_support_set"): method(query)
    method.process_support_set(support, labels)
    scores = method(query)
    F.cross_entropy(scores, torch.tensor([0, 1, 2, 0])).backward()
    assert scores.shape == (4, 3) and all(p.grad is not None and p.grad.isfinite().all() for p in model.backbone.parameters())
    with torch.no_grad():
        method.eval().process_support_set(support, labels)
        torch.testing.assert_close(method(query) / 10, explain_episode(model, support, labels, query).scores, rtol=1e-4, atol=1e-5)


def test_the_best_epoch_is_chosen_by_episodes(tmp_path):
    pictures, kinds = photos(24), torch.arange(24) % 3
    score = validate_by_episodes(torch.utils.data.TensorDataset(pictures, kinds), kinds, way=3, shot=2, query=3, episodes=20)
    history = fit(network("sum", neck=True), torch.utils.data.TensorDataset(pictures, kinds), score, Recipe(epochs=2, batch_size=8, lr=1e-3), out=tmp_path, progress=False)
    chosen = [row["valid_episode_accuracy"] for row in history.rows]
    assert len(chosen) == 2 and history.best()["valid_episode_accuracy"] == max(chosen)
    assert score(load_model(tmp_path / "best.safetensors"))["episode_accuracy"] == pytest.approx(max(chosen))
    with pytest.raises(ValueError, match="class 0 has 8 pictures"): validate_by_episodes(torch.utils.data.TensorDataset(pictures, kinds), kinds, way=3)


def test_features_leave_the_model_as_it_was_and_do_not_depend_on_the_batch():
    model = network("concat", neck=True).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    data = torch.utils.data.TensorDataset(photos(7), torch.arange(7))
    one, many = cached_features(model, data, 3), cached_features(model, data, 7)
    torch.testing.assert_close(one.embeddings, many.embeddings, rtol=1e-4, atol=1e-4)
    assert model.training and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert one.labels.tolist() == list(range(7)) and one.vectors.shape == (7, 3, 32)
    with pytest.raises(ValueError, match="empty"): cached_features(model, torch.utils.data.Subset(data, []))
