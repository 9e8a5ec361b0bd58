"""The shipped models: what they must score, what they weigh, where they look, and how students compare with teachers."""
from functools import cache
from importlib.resources import files

import pytest

from brnpa_nb.data.birds import DEFINING, PARTS, Birds
from brnpa_nb.demo import SHIPPED, part_shares, rank_part_table, shipped, shipped_vit, visible_areas
from brnpa_nb.jobs import Options, open_exam
from brnpa_nb.three_tasks import DECIDES, NETWORKS, on_parts, paired_parts, three_networks

LEAST = {"species": {"accuracy": .97}, "fewshot": {"5-way 5-shot": .85, "5-way 1-shot": .60}, "reid": {"rank-1": .85, "mAP": .80}}


@cache
def taken(task):
    exam = open_exam(task, "birds", Options(seed=3))
    return [exam(shipped(name)) for name in NETWORKS[task]]


EXAMS = pytest.mark.parametrize("task", [pytest.param(task, marks=pytest.mark.xdist_group(f"exam {task}")) for task in NETWORKS])      # on one worker: taken once


@EXAMS
def test_scores(task):
    found = taken(task)
    for scores in found:
        for name, least in LEAST[task].items(): assert scores[name].mean >= least, (task, name, scores[name])


@EXAMS
def test_student_is_within_a_point_of_its_teacher(task):
    low, high = taken(task)
    for name in LEAST[task]: assert high[name].mean >= low[name].mean - .01, (task, name, low[name], high[name])


def test_size(): assert sum((files("brnpa_nb") / "weights" / f"{n}.safetensors").stat().st_size for n in SHIPPED) <= 16_000_000


def test_rank_1_prefers_what_defines_the_species():
    birds = Birds(200, "test").draw()
    table, area = rank_part_table(shipped("birds_high"), birds), visible_areas(birds)
    for part in DEFINING["species"]: assert table["1"][part] > area[part]
    assert abs(sum(area[p] for p in PARTS) - .25) < .1


def test_attention_follows_the_task():
    "The same pictures: each network's first or second rank lies on what decides its task, and species and re-identification differ on every deciding part."
    birds = Birds(160, "test", "all", "individual", seed=5).draw()
    area, shares = visible_areas(birds), {task: part_shares(net, birds) for task, net in three_networks().items()}
    for task, parts in DECIDES.items():
        times = [float(on_parts(shares[task], parts, rank).nanmean()) / sum(area[p] for p in parts) for rank in (1, 2)]
        assert max(times) >= 2 and min(times) >= 1.5, (task, times)
    for row in paired_parts(shares["reid"], shares["species"], parts=("wing", "beak", "ring")):
        assert row.p < 1e-6 and (row.difference.mean > 0) == (row.part == "ring"), row


@pytest.mark.parametrize("task", NETWORKS)
def test_grids(task):
    image = Birds(1, "test")[0][0][None]
    low, high = (shipped(n).explain(image).grid for n in NETWORKS[task])
    assert low == (3, 3) and high == (24, 24)


def test_the_small_vision_transformer_knows_wings_and_not_beaks():
    "Tutorial 7 says so, and builds on it."
    model, layer = shipped_vit()
    birds = Birds(160, "test").draw()
    images = birds.images.float() / 255
    tokens = model.backbone.network.forward_features((images - model.backbone.mean) / model.backbone.std)
    for logits in (model(images), layer(tokens[:, 0])):
        said = [(model.classes[a].split(), model.classes[b].split()) for a, b in zip(logits.argmax(1), birds.labels)]
        wing, beak = (sum(a[k] == b[k] for a, b in said) / 160 for k in (0, 1))
        assert wing >= .9 and .2 <= beak <= .55, (wing, beak)               # who knows the wing and guesses among its beaks: .375
    assert model.explain(images[:1]).grid == (12, 12)
    assert (files("brnpa_nb") / "weights" / "birds_vit.safetensors").stat().st_size <= 300_000
