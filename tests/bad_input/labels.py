"""Bad input: labels and classes."""
import copy
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from brnpa_nb.data.episodes import EpisodeSampler, SomeClasses, few_shot_split, some_classes
from brnpa_nb.data.finegrained import Annotated
from brnpa_nb.data.identities import Identities
from brnpa_nb.data.photos import Photos, split_validation
from brnpa_nb.distillation import Distillation
from brnpa_nb.explaining_tasks import explain_episodes, explain_matches
from brnpa_nb.jobs import Options, bird_search, open_training
from brnpa_nb.tasks.classification import score_classification
from brnpa_nb.tasks.fewshot import episode_accuracy, nearest_prototype
from brnpa_nb.tasks.reid import IdentityTriplet, PKSampler, split_queries
from brnpa_nb.training import Recipe, evaluate, fit
from tests.bad_input import Row, brnpa
from tests.bad_input.making import SIDE, class_folders, explained, model_file, network, pictures, refusal


def row(name, do, says="", check=None, **more): return Row("labels", name, do, says, check or (None if says else lambda found: None), **more)


class Pairs(Dataset):
    "A picture for every label."
    def __init__(self, labels, classes=("ash", "beech", "cedar")): self.labels, self.classes = labels, list(classes)
    def __len__(self): return len(self.labels)
    def __getitem__(self, i): return torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(i)), self.labels[i]


def everywhere(labels, words: str):
    "The same refusal from the training with each loss, and from both examinations."
    def do(folder):
        model, n = copy.deepcopy(network()), len(labels)
        doors = [lambda loss=loss, k=k: fit(model, Pairs(labels * k), None, Recipe(1, n * k), loss, out=folder / "out", progress=False) for loss, k in ((None, 1), (Distillation(network()), 1), (IdentityTriplet(), 2))]
        doors += [lambda: evaluate(model, Pairs(labels)), lambda: score_classification(model, Pairs(labels))]
        said = [refusal(door) for door in doors]
        assert all(words in text for text in said), said
        assert not (folder / "out").exists() or not list((folder / "out").glob("*.safetensors"))
    return do


def as_whole(labels):
    "Whole numbers in other clothes train as whole numbers do."
    def do(folder):
        found = []
        for given in ([0, 1, 2], labels):
            model = copy.deepcopy(network())
            fit(model, Pairs(given), None, Recipe(1, 3), progress=False)
            found.append((model.head.weight.detach().clone(), evaluate(model, Pairs(given))["labels"]))
        assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])
    return do


def missing_class(folder):
    "A class without a photograph: figures of the classes that occur, and none made up for the other."
    found = score_classification(network(), Pairs([0, 2, 2]))
    assert set(found.by_class) == {"ash", "cedar"} and found.accuracy.n == 3


def evaluated(*classes: str, model=()):
    "Photographs of these classes in an exam of a model that was taught ash, beech, cedar, or others."
    def do(folder): return brnpa("evaluate", "--data", class_folders(folder / "data", classes), "--model", model_file(folder, *model), "--size", SIDE)
    return do


def distilled(*classes: str):
    "A teacher of these classes, on photographs of ash, beech and cedar."
    def do(folder): return brnpa("distil", model_file(folder, *classes), class_folders(folder / "data"), "--out", folder / "out", "--size", SIDE, "--epochs", 1, "--batch-size", 4, "--output-stride", 4, "--quiet")
    return do


def few_shot_command(*how: object, classes: int = 8, each: int = 3):
    def do(folder):
        class_folders(folder / "data", [f"c{i}" for i in range(classes)], each)
        return brnpa("evaluate", "--task", "fewshot", "--data", folder / "data", "--model", model_file(folder), "--size", SIDE, "--episodes", 3, *how)
    return do


def support(folder: Path, **broken: bool) -> Path:
    "Examples of two classes."
    class_folders(folder / "support", ("ash", "oak"), 2)
    for name in broken:
        for p in (folder / "support" / name).iterdir(): p.write_bytes(b"junk")
    return folder / "support"


def sorted_into(make):
    "Queries sorted into classes known from examples."
    def do(folder): return explain_episodes(network(), pictures(folder / "queries", ["a.png"]), make(folder), folder / "out", size=SIDE, say=lambda text: None)
    return do


def truth(folder):
    "A query counts as one of the class whose name its folder has, in either way to write an accent."
    class_folders(folder / "support", ("M\u00f6we", "oak"), 2)
    class_folders(folder / "queries", ("Mo\u0308we", "oak", "yew"), 1, seed=40)
    found = explain_episodes(network(), folder / "queries", folder / "support", folder / "out", size=SIDE, say=lambda text: None)
    return [r["truth"] for r in found.rows]


def task_twice(folder):
    "A second run into the same folder leaves nothing of the first to be taken for its own."
    for k, names in enumerate((["a.png", "b.png", "c.png"], ["z.png"])):
        asked = pictures(folder / f"queries {k}", names)
        explain_episodes(network(), asked, support(folder) if k == 0 else folder / "support", folder / "out", size=SIDE, say=lambda text: None)
    return sorted(p.name for part in ("pictures", "maps", "contributions") for p in (folder / "out" / part).iterdir())


def mixed_results(folder):
    "Maps of photographs and results of a task in one folder."
    explained(folder / "first", pictures(folder / "photos", ["a.png"]))
    said = refusal(lambda: explain_episodes(network(), folder / "photos", support(folder), folder / "first/out", size=SIDE, say=lambda text: None))
    assert "holds the maps of another run" in said
    explain_episodes(network(), folder / "photos", folder / "support", folder / "task", size=SIDE, say=lambda text: None)
    from brnpa_nb.explaining import explain_photos
    return explain_photos(network(), folder / "photos", folder / "task", size=SIDE)


def itself(folder):
    "The query is in the gallery twice, once through a link: it is not its own best match."
    pictures(folder / "gallery", ["0001_c1_a.png", "0002_c2_b.png", "0003_c1_c.png"])
    (folder / "gallery/0001_c2_link.png").symlink_to(folder / "gallery/0001_c1_a.png")
    found = explain_matches(network(), folder / "gallery/0001_c1_a.png", folder / "gallery", folder / "out", size=SIDE, say=lambda text: None)
    return [Path(found.rows[0][f"match {k}"] or "none").name for k in (1, 2, 3)]


def odd_matches(folder):
    "Names that no font and no page can show."
    pictures(folder / "gallery", ["a.png", "new\nline.png", b"\xff\xfe.png"])
    found = explain_matches(network(), folder / "gallery", folder / "gallery", folder / "out", size=SIDE, say=lambda text: None)
    assert len(found.rows) == 3 and (folder / "out/index.html").stat().st_size > 10_000
    assert [Path(r["photograph"]).name == Path(r["match 1"]).name for r in found.rows] == [False] * 3


def few_birds(folder):
    "Fewer birds than one would train on: enough to choose by are drawn all the same, and each query has somebody to find under another camera."
    made = open_training("reid", "birds", Options(pictures=16))
    query, gallery = made.valid.keywords["data"]
    seen = set(zip(gallery.labels.tolist(), gallery.cameras.tolist()))
    assert len(query) > 10 and any(who == k and c != camera for k, camera in zip(query.labels.tolist(), query.cameras.tolist()) for who, c in seen)


NAMES = {"names": ["a", "b"], "fractions": [0, .5], "NaN": [0, float("nan")], "truth values": [True, False], "columns": [[0], [1]]}
WORDS = {"names": "labels are of type", "fractions": "labels hold 0.5", "NaN": "labels hold nan", "truth values": "labels are of type bool", "columns": "shape (2, 1)"}

ROWS: list[Row] = [
    row("a number beyond the classes", everywhere([0, 1, 7], "to"), first="crash"),
    row("a negative number", everywhere([0, -1, 1], "has the label '-1'"), first="crash"),
    row("the number that PyTorch passes over", everywhere([0, 1, -100], "has the label '-100'"), first="silent"),
    row("half a class", everywhere([0., .5, 1.], "has the label '0.5'"), first="crash"),
    row("NaN for a class", everywhere([0., float("nan"), 1.], "has the label 'nan'"), first="crash"),
    row("truth values for classes", everywhere([True, False, True], "has the label 'True'"), first="crash"),
    row("names for classes", everywhere(["ash", "beech", "ash"], "has the label 'ash'"), first="crash"),
    row("nothing for a class", everywhere([0, None, 1], "has the label 'None'"), first="crash"),
    row("rows of numbers, taken for probabilities", everywhere([torch.tensor([0, 1., 0])] * 3, "has the label"), first="silent"),
    row("whole numbers as floats", as_whole([0., 1., 2.]), first="crash"),
    row("whole numbers as tensors", as_whole([torch.tensor(0), torch.tensor(1), torch.tensor(2)])),
    row("whole numbers of NumPy", as_whole(list(np.arange(3, dtype=np.uint8)))),
    row("a class without a photograph", missing_class),
    *(row(f"a validation split of {k}", lambda f, v=v: split_validation(v), WORDS[k], first={"fractions": "silent", "truth values": "silent"}.get(k, "cryptic")) for k, v in NAMES.items()),
    row("a validation split of one picture a class", lambda f: split_validation([0, 1, 2]), "no class has two pictures or more"),
    row("batches of identities that are NaN", lambda f: PKSampler([0., float("nan"), 1., 1.], 2, 1), "labels hold nan", first="silent"),
    row("more identities a batch than there are", lambda f: PKSampler([0, 0, 1, 1], 3, 2), "a batch needs 3 identities, but there are only 2"),
    row("persons that are fractions", lambda f: Identities([pictures(f) / "a.png"] * 2, [.5, 1.], [0, 1]), "labels hold 0.5", first="silent"),
    row("cameras for fewer pictures", lambda f: Identities([pictures(f) / "a.png"] * 2, [0, 1], [0]), "2 paths, 2 pids and 1 camids were given"),
    row("queries of labels and cameras of other lengths", lambda f: split_queries([0, 0, 1], [0, 1]), "labels of shape (3,) and cameras of shape (2,)"),
    row("chosen pictures with fewer labels", lambda f: SomeClasses(Pairs([0, 1, 2]), [0, 1, 2], [0, 1], ["a", "b"]), "3 pictures and 2 labels were given"),
    row("chosen pictures with a label beyond the names", lambda f: SomeClasses(Pairs([0, 1, 2]), [0, 1], [0, 2], ["a", "b"]), "labels hold 2 and there are 2 classes", first="silent"),
    row("chosen pictures with half a class", lambda f: SomeClasses(Pairs([0, 1, 2]), [0, 1], [0, .5], ["a", "b"]), "labels hold 0.5", first="silent"),
    row("a chosen class without a picture", lambda f: some_classes(Pairs([0, 1, 1]), [0, 1, 1], [0, 3]), "without a picture: [3]"),
    row("photographs with fewer labels", lambda f: Annotated(list(pictures(f).iterdir()), [0, 1], ["a", "b"], Photos(f)), "4 photographs and 2 labels were given", first="silent"),
    row("photographs with a label beyond the names", lambda f: Annotated(list(pictures(f).iterdir()), [0, 1, 2, 0], ["a", "b"], Photos(f)), "labels hold 2 and there are 2 classes", first="silent"),
    row("an episode of half classes", lambda f: EpisodeSampler([0., .5] * 9, 2, 1, 1), "labels must be a list of whole numbers"),
    row("an episode of more classes than there are", lambda f: EpisodeSampler([0, 1] * 9, 5, 1, 1), "there are 2 classes and 5-way episodes need 5"),
    row("more examples than pictures", lambda f: EpisodeSampler([0, 1] * 3, 2, 5, 1), "class 0 has 3 pictures and an episode takes 5 + 1"),
    row("no examples", lambda f: EpisodeSampler([0, 1] * 3, 2, 0, 1), "shot is 0"),
    row("episodes by the command, of more classes than there are", few_shot_command("--way", 5), "there are 2 classes and 5-way episodes need 5"),
    row("episodes by the command, with more queries than pictures", few_shot_command("--way", 2), "pictures and an episode takes"),
    row("too few classes for a split", few_shot_command("--way", 2, classes=2), "would leave one part empty"),
    row("a few-shot split with a class in two parts", lambda f: (class_folders(f / "data", "abcd", 1), (f / "split.json").write_text('{"base": ["a"], "val": ["b"], "novel": ["a"]}'), few_shot_split("folder", f / "data", SIDE, split=f / "split.json")), "is in base and in novel"),
    row("a few-shot split that is not there", lambda f: few_shot_split("folder", class_folders(f / "data", "abcd", 1), SIDE, split=f / "nowhere.json"), "nowhere.json was not found", first="cryptic"),
    row("prototypes of which one has no example", lambda f: nearest_prototype(torch.rand(3, 4), torch.tensor([0, 2, 2]), torch.rand(2, 4)), "expected one label a photograph, and all of 0 to 2"),
    row("an exam of other classes", evaluated("ash", "beech", "yew"), "'cedar' is in one of them only", first="cryptic"),
    row("an exam of fewer classes", evaluated("ash", "beech"), "'cedar' is in one of them only", first="cryptic"),
    row("an exam of the same classes in another order", evaluated("ash", "beech", "cedar", model=("beech", "ash", "cedar")), "class 0 is 'beech' in one and 'ash' in the other", first="cryptic"),
    row("a teacher of the same classes in another order", distilled("beech", "ash", "cedar"), "the teacher knows 3 classes"),
    row("a teacher of fewer classes", distilled("ash", "beech"), "the teacher knows 2 classes"),
    row("fewer names than classes", lambda f: explained(f, pictures(f / "photos"), classes=["a"]), "classes names 1 classes and the model knows 3", first="crash"),
    row("more names than classes", lambda f: explained(f, pictures(f / "photos"), classes=list("abcde")), "classes names 5 classes and the model knows 3", first="silent"),
    row("a word for names", lambda f: explained(f, pictures(f / "photos"), classes="abc"), "expected a list with one name for each", first="silent"),
    row("names with line ends, and none that is text", lambda f: [explained(f / k, pictures(f / "photos", ["a.png"]), network(tuple(names))).photographs for k, names in (("1", ("a\nb", "c\nd", "e\nf")), ("2", ("\udcff", "\udcfe", "\ud800")))], check=lambda n: np.testing.assert_equal(n, [1, 1]), first="crash"),
    row("examples of one class", sorted_into(lambda f: class_folders(f / "support", ["ash"])), "holds one class, 'ash', and a decision needs two"),
    row("examples of a class that cannot be read", sorted_into(lambda f: support(f, oak=True)), "no photograph of the class 'oak'", warns="skipped: "),
    row("queries that are the examples", lambda f: explain_episodes(network(), support(f), f / "support", f / "out", size=SIDE), "are in the support"),
    row("the class of a query, by its folder", truth, check=lambda t: np.testing.assert_equal(t, ["M\u00f6we", "oak", ""])),
    row("a task explained twice into one folder", task_twice, check=lambda names: np.testing.assert_equal(names, ["00000_z.png", "00000_z.safetensors", "00000_z.safetensors"]), first="silent"),
    row("a task and photographs explained into one folder", mixed_results, "holds the results of another task", first="silent"),
    row("a query that is in the gallery, and once more as a link", itself, check=lambda names: np.testing.assert_equal([n for n in names if n.startswith("0001")], []), first="silent"),
    row("a search among odd names", odd_matches, first="crash"),
    row("a gallery of nothing but the query", lambda f: explain_matches(network(), pictures(f / "g", ["a.png"]), f / "g", f / "out", size=SIDE, say=lambda text: None), "is the only photograph in the gallery"),
    row("few drawn birds to search among", few_birds, first="cryptic"),
    row("no bird seen twice", lambda f: bird_search(type("Seen", (), {"labels": torch.arange(3), "cameras": torch.zeros(3), "__len__": lambda self: 3})()), "no individual is shown twice among 3 birds", first="cryptic"),
    row("a validation without a score", lambda f: fit(copy.deepcopy(network()), Pairs([0, 1, 2]), lambda model: {"mAP": float("nan")}, Recipe(2, 3), progress=False), "its first score should choose the epoch", first="silent"),
    row("an empty data set", lambda f: evaluate(copy.deepcopy(network()), Pairs([])), "the data set is empty"),
    row("an accuracy of episodes with half classes", lambda f: episode_accuracy(torch.rand(6, 4), torch.tensor([0., .5] * 3), 2, 1, 1, 3), "labels must be a list of whole numbers"),
]
