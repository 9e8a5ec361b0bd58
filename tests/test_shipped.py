"""The shipped models: what they must score, what they weigh, and that training can make such a model again."""
from importlib.resources import files

import pytest

from brnpa_nb.data.birds import DEFINING, PARTS, Birds
from brnpa_nb.demo import SHIPPED, rank_part_table, shipped, visible_areas
from brnpa_nb.training import evaluate


@pytest.fixture(scope="module")
def birds(): return Birds(1500, "valid").draw()


@pytest.fixture(scope="module")
def accuracy(birds): return {name: evaluate(shipped(name), birds)["accuracy"] for name in SHIPPED}


@pytest.mark.parametrize("name", SHIPPED)
def test_accuracy(name, accuracy): assert accuracy[name] >= .97


def test_student_is_within_a_point_of_its_teacher(accuracy): assert accuracy["birds_high"] >= accuracy["birds_low"] - .01


def test_size(): assert sum((files("brnpa_nb") / "weights" / f"{n}.safetensors").stat().st_size for n in SHIPPED) <= 10_000_000


def test_rank_1_prefers_what_defines_the_species():
    birds = Birds(200, "test").draw()
    table, area = rank_part_table(shipped("birds_high"), birds), visible_areas(birds)
    for part in DEFINING["species"]: assert table["1"][part] > area[part]
    assert abs(sum(area[p] for p in PARTS) - .25) < .1


def test_grids():
    image = Birds(1, "test")[0][0][None]
    low, high = (shipped(n).explain(image).grid for n in SHIPPED)
    assert low == (3, 3) and high == (24, 24)
