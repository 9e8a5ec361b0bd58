"""Bad input: folders of data and of results."""
import json
import os
import shutil
from pathlib import Path

import numpy as np

from brnpa_nb.data.episodes import few_shot_lookalike, few_shot_split
from brnpa_nb.data.files import find_photos
from brnpa_nb.data.finegrained import Aircraft, Cars, Cub, open_data
from brnpa_nb.data.identities import open_identities
from brnpa_nb.data.identity_lookalikes import cuhk03np_lookalike, duke_lookalike, market_lookalike, msmt17_lookalike
from brnpa_nb.data.lookalikes import aircraft_lookalike, cars_lookalike, cub_lookalike
from brnpa_nb.data.photos import ClassFolder
from brnpa_nb.explaining import explain_photos
from brnpa_nb.jobs import Options, open_exam, open_training
from brnpa_nb.models import load_model
from tests.bad_input import SENTENCE, Row, brnpa
from tests.bad_input.making import (
    SIDE,
    class_folders,
    copied,
    each_is_its_own,
    explain_command,
    explained,
    model_file,
    network,
    pictures,
    refusal,
    scene,
    store,
    without_rights,
)


def row(name, do, says="", check=None, **more): return Row("folders", name, do, says, check or (None if says else lambda found: None), **more)


SMALL = Options(size=(SIDE, SIDE), way=2, shots=(1,), query=1, episodes=4, per_identity=2)


def train(folder: Path, data: object, *how: object) -> str:
    "One epoch by the command; what it says."
    return brnpa("train", data, "--out", folder / "out", "--model", "resnet10t", "--size", SIDE, "--epochs", 1, "--batch-size", 4, "--quiet", *how)


# --- sets in their official layouts, damaged

def line(file: str, n: int, new: bytes | None):
    "Replace line n (from 1) of a file; None takes it out."
    def damage(root):
        rows = (root / file).read_bytes().splitlines()
        rows[n - 1:n] = [] if new is None else [new]
        (root / file).write_bytes(b"\n".join(rows) + b"\n")
    return damage


def gone(*files: str):
    "Take files or folders away."
    def damage(root):
        for f in files: shutil.rmtree(root / f) if (root / f).is_dir() else (root / f).unlink()
    return damage


def first_photos(folder: str, n: int = 1):
    "Take the first n photographs away."
    def damage(root):
        for p in sorted((root / folder).rglob("*.jpg"))[:n]: p.unlink()
    return damage


def mat(file: str, field: str, value: object):
    "Another value in the first row of a MATLAB table."
    def damage(root):
        from scipy.io import loadmat, savemat
        table = loadmat(str(root / file))["annotations"]
        table[0, 0][field] = value
        savemat(str(root / file), {"annotations": table})
    return damage


def flip(file: str):
    "Change one bit in the middle."
    def damage(root):
        data = bytearray((root / file).read_bytes())
        data[len(data) // 2] ^= 1
        (root / file).write_bytes(data)
    return damage


def cut(file: str): return lambda root: (root / file).write_bytes((root / file).read_bytes()[:(root / file).stat().st_size // 2])
def swap(a: str, b: str): return lambda root: shutil.copy(root / a, root / b)
def remove(pattern: str): return lambda root: [shutil.rmtree(p) if p.is_dir() else p.unlink() for p in list(root.glob(pattern))]
def rename(pattern: str, change): return lambda root: [p.rename(p.with_name(change(p.name))) for p in list(root.glob(pattern))]
def empty(folder: str): return lambda root: (shutil.rmtree(root / folder), (root / folder).mkdir())
def edit(name: str, change): return lambda root: (root / name).write_text(change((root / name).read_text()))
def recoded(pattern: str, how: str): return lambda root: [p.write_bytes(p.read_bytes().decode("utf-8").encode(how)) for p in root.rglob(pattern)]
def crlf(pattern: str): return lambda root: [p.write_bytes(b"\xef\xbb\xbf" + p.read_bytes().replace(b"\n", b"\r\n")) for p in root.rglob(pattern)]


def _birds(make): return lambda folder: make(folder, n_classes=3, per_class=4, size=64)
def _people(make): return lambda folder: make(folder, 4, 3)
def _few(kind): return lambda folder: few_shot_lookalike(kind, folder, pictures=3)


SETS = {"cub": (_birds(cub_lookalike), Cub), "aircraft": (_birds(aircraft_lookalike), Aircraft), "cars": (_birds(cars_lookalike), Cars),
        "market1501": (_people(market_lookalike), open_identities), "dukemtmc": (_people(duke_lookalike), open_identities), "msmt17": (_people(msmt17_lookalike), open_identities),
        "msmt17_v2": (lambda folder: msmt17_lookalike(folder, 4, 3, version=2), open_identities), "cuhk03np": (_people(cuhk03np_lookalike), open_identities),
        **{f"few-shot {k}": (_few(k), lambda root, k=k: few_shot_split(k, root, SIDE, incomplete=True)) for k in ("cub", "cifar-fs", "miniimagenet", "tieredimagenet", "folder")}}


def damaged(name: str, damage, says: str, first: str = "right", words: str = "") -> Row:
    "A copy of a look-alike, damaged and opened."
    def do(folder):
        root = copied(SETS[name][0], name, folder / "data")
        damage(root)
        try: return SETS[name][1](root)
        except SENTENCE as error:
            assert str(root) in str(error), f"the folder is not named: {error}"
            raise
    return row(f"{name}: {words or says[:70]}", do, says, first=first)


def read_right(name: str, damage, words: str, same, first: str = "right", warns: str = "") -> Row:
    "A copy of a look-alike in another encoding gives what the original gives."
    def do(folder):
        root = copied(SETS[name][0], name, folder / "data")
        one = same(SETS[name][1](root))
        damage(root)
        assert same(SETS[name][1](root)) == one
    return row(f"{name}: {words}", do, first=first, warns=warns)


def annotated(ds): return ds.labels, ds.classes, ds.boxes.tolist()
def searched(ds): return [(p.pids.tolist(), p.camids.tolist()) for p in ds[:3]]
def dealt(ds): return [(p.classes, p.labels.tolist()) for p in ds[:3]]


# Moved here from tests/test_finegrained.py and tests/test_identities.py, with what was added.
DAMAGED = [
    damaged("cub", gone("bounding_boxes.txt"), "lacks bounding_boxes.txt of CUB-200-2011"),
    damaged("cub", gone("images.txt", "classes.txt"), "lacks images.txt, classes.txt of CUB-200-2011"),
    damaged("cub", gone("parts"), "lacks parts/parts.txt, parts/part_locs.txt"),
    damaged("cub", gone("images"), "lacks images of CUB-200-2011"),
    damaged("cub", first_photos("images", 3), "lacks 3 of the 12 photographs that images.txt names, the first is 001."),
    damaged("cub", line("images.txt", 2, b"1 a/b.jpg"), "images.txt line 2 repeats '1'"),
    damaged("cub", line("images.txt", 2, b"2"), "images.txt line 2 is '2'; expected an image id and a path"),
    damaged("cub", line("images.txt", 2, b"2 ../../x.jpg"), "images.txt line 2 is '2 ../../x.jpg'"),
    damaged("cub", line("images.txt", 2, b"2 /etc/x.jpg"), "images.txt line 2 is '2 /etc/x.jpg'"),
    damaged("cub", line("train_test_split.txt", 3, b"99 1"), "train_test_split.txt line 3 names '99'"),
    damaged("cub", line("train_test_split.txt", 3, b"3 2"), "train_test_split.txt line 3 is '3 2'; expected an image id and 0 or 1"),
    damaged("cub", line("train_test_split.txt", 3, None), "lacks 1 of the 12 images in images.txt, the first is 3"),
    damaged("cub", line("bounding_boxes.txt", 4, b"4 1 2 three 4"), "bounding_boxes.txt line 4 is '4 1 2 three 4'; expected an image id and x, y, width, height"),
    damaged("cub", line("bounding_boxes.txt", 4, b"4 1 2 nan 4"), "bounding_boxes.txt line 4 is '4 1 2 nan 4'"),
    damaged("cub", line("bounding_boxes.txt", 4, b"4 1 2 3"), "bounding_boxes.txt line 4 is '4 1 2 3'"),
    damaged("cub", line("image_class_labels.txt", 5, b"5 77"), "gives image 5 the class 77, which classes.txt does not name"),
    damaged("cub", line("classes.txt", 1, b"one 001.X"), "classes.txt line 1 is 'one 001.X'"),
    damaged("cub", line("parts/part_locs.txt", 7, b"1 7 a b 1"), "part_locs.txt line 7 is '1 7 a b 1'"),
    damaged("cub", line("parts/part_locs.txt", 7, b"1 16 2 3 1"), "part_locs.txt line 7 names image 1 and part 16"),
    damaged("cub", lambda root: (root / "images.txt").write_bytes(b""), "images.txt holds no line"),
    damaged("cub", lambda root: (root / "images.txt").write_bytes(bytes(range(256))), "images.txt line 1 is"),
    damaged("aircraft", gone("data/images_box.txt", "data/variants.txt"), "lacks variants.txt, images_box.txt of FGVC-Aircraft"),
    damaged("aircraft", first_photos("data/images", 12), "lacks 6 of the 6 photographs that images_variant_train.txt names"),
    damaged("aircraft", line("data/images_variant_train.txt", 2, b"0034311 Concorde"), "images_variant_train.txt line 2 is '0034311 Concorde'"),
    damaged("aircraft", line("data/images_variant_train.txt", 2, b"9999999 bar-winged longbill"), "images_box.txt has no box for 9999999"),
    damaged("aircraft", line("data/images_box.txt", 3, b"0034323 1 2 3 four"), "images_box.txt line 3 is '0034323 1 2 3 four'"),
    damaged("aircraft", line("data/variants.txt", 2, b"bar-winged longbill"), "twice; expected every class once"),
    damaged("cars", gone("devkit/cars_meta.mat"), "lacks devkit/cars_meta.mat of Stanford Cars"),
    damaged("cars", gone("cars_train", "devkit/cars_train_annos.mat"), "lacks devkit/cars_train_annos.mat, cars_train of Stanford Cars"),
    damaged("cars", first_photos("cars_train"), "lacks 1 of the 6 photographs that cars_train_annos.mat names, the first is 00001.jpg"),
    damaged("cars", swap("devkit/cars_test_annos.mat", "devkit/cars_train_annos.mat"), "lacks the field class"),
    damaged("cars", lambda root: (root / "devkit/cars_train_annos.mat").write_text("<html>"), "cannot be read as a MATLAB file", words="an error page for a table"),
    damaged("cars", flip("devkit/cars_train_annos.mat"), "cannot be read as a MATLAB file", words="a flipped bit in a table"),       # SciPy alone may crash here
    damaged("cars", cut("devkit/cars_train_annos.mat"), "cannot be read as a MATLAB file", words="half a table"),
    damaged("cars", mat("devkit/cars_train_annos.mat", "class", 9.), "holds the class 9; expected 1 to 3"),
    damaged("cars", mat("devkit/cars_train_annos.mat", "fname", "../../x.jpg"), "holds a row that is not", words="a path out of the folder"),
    damaged("cars", mat("devkit/cars_train_annos.mat", "bbox_x1", "left"), "holds a row that is not", words="a box of words"),
    damaged("cars", mat("devkit/cars_train_annos.mat", "fname", "00002.jpg"), "names 00002.jpg twice"),
    damaged("market1501", remove("bounding_box_train"), "lacks bounding_box_train"),
    damaged("market1501", remove("bounding_box_*"), "lacks bounding_box_train, bounding_box_test (it holds query)"),
    damaged("market1501", empty("bounding_box_test"), "bounding_box_test holds no picture of a person"),
    damaged("market1501", empty("query"), "query holds no picture"),
    damaged("market1501", rename("query/0001_c2*", lambda n: "copy of " + n), "have names that are not of the kind market1501, the first is 'copy of 0001_c2s1"),
    damaged("market1501", rename("bounding_box_train/*_c2*", lambda n: n.replace("_c2", "_c9")), "8 of the 48 pictures", words="a camera that does not exist"),
    damaged("market1501", remove("bounding_box_test/0003*"), "6 of the 18 query pictures", words="a person missing in the gallery"),
    damaged("market1501", lambda root: shutil.copytree(root / "query", root / "bounding_box_train", dirs_exist_ok=True), "training and test show different people", words="test persons in training"),
    damaged("market1501", remove("*"), "the layout of no set that is known"),
    damaged("dukemtmc", remove("query"), "withdrew", words="no query folder"),
    damaged("dukemtmc", rename("query/*", lambda n: n.replace("_f", "s1_")), "of the kind dukemtmc", words="names of Market-1501"),
    damaged("dukemtmc", remove("bounding_box_test/0005_c[2-8]*"), "have matches under their own camera only, the first is 0005_c1"),
    damaged("cuhk03np", remove("detected/*"), "detected lacks bounding_box_train, query, bounding_box_test"),
    damaged("cuhk03np", rename("detected/query/*", lambda n: n.replace("png", "jpg")), "6 of the 6 pictures", words="jpg for png"),
    damaged("msmt17", remove("list_val.txt"), "lacks list_val.txt"),
    damaged("msmt17", remove("test"), "lacks test"),
    damaged("msmt17_v2", remove("mask_train_v2"), "lacks train ", words="no folder of version 2"),
    damaged("msmt17", remove("test/0001/*"), "6 of the 18 pictures that", words="pictures of a list"),
    damaged("msmt17", edit("list_query.txt", lambda t: t.replace("jpg 2", "jpg 1")), "do not fit, the first is line 13", words="a wrong person in a list"),
    damaged("msmt17", edit("list_gallery.txt", lambda t: t.replace("0001/", "../../0001/")), "6 lines of", words="a path out of the folder"),
    damaged("msmt17", edit("list_train.txt", lambda t: t[:-20]), "the first is line 44", words="half a line"),
    damaged("msmt17", edit("list_train.txt", lambda t: "\n"), "list_train.txt names no picture"),
    damaged("msmt17", lambda root: (root / "list_train.txt").write_bytes(bytes(range(128, 256))), "do not fit, the first is line 1", words="a list that is no text", first="cryptic"),
    damaged("few-shot miniimagenet", lambda root: (root / "train.csv").write_bytes(b"\xff\xfe\0"), "begins as UTF-16", first="cryptic"),
    damaged("few-shot miniimagenet", lambda root: (root / "train.csv").write_text('filename,label\n"' + "x" * 200_000), "is no table (field larger than field limit", first="crash"),
    damaged("few-shot miniimagenet", remove("images/n00000000*"), "pictures that train.csv lists are missing", words="half a copy"),
    damaged("few-shot miniimagenet", edit("train.csv", lambda t: t.replace("filename", "file")), "has no rows with the columns filename and label"),
    damaged("few-shot miniimagenet", swap("train.csv", "test.csv"), "is in base and in novel; a class may be in one part only"),
    damaged("few-shot cifar-fs", remove("data/bird_2"), "1 of 4 class folders are missing"),
    damaged("few-shot cub", lambda root: (root / "few_shot_split.json").write_text("[" * 100_000), "is no JSON", first="crash"),
    damaged("few-shot folder", lambda root: (root / "few_shot_split.json").write_text('{"base": ["bird_0"], "val": ["bird_1"], "novel": ["bird_9"]}'), "1 of 1 class folders are missing"),
    damaged("few-shot tieredimagenet", lambda root: [gone("train")(root), (root / "train_images_png.pkl").touch()], "nothing is unpickled here"),
    damaged("few-shot folder", lambda root: (root / "bird_9").mkdir(), "no photograph was found in", words="a class folder with nothing in it"),
    *(read_right(n, crlf("*.txt"), "Windows line ends and a mark at the start", annotated) for n in ("cub", "aircraft")),
    *(read_right(n, recoded("*.txt", "utf-16"), "UTF-16", annotated, first="cryptic") for n in ("cub", "aircraft")),
    read_right("msmt17", crlf("*.txt"), "Windows line ends and a mark at the start", searched, first="cryptic"),
    read_right("msmt17", recoded("*.txt", "utf-16"), "UTF-16", searched, first="cryptic"),
    read_right("few-shot miniimagenet", crlf("*.csv"), "Windows line ends and a mark at the start", dealt, first="cryptic"),
    read_right("few-shot miniimagenet", recoded("*.csv", "utf-16"), "UTF-16", dealt, first="cryptic"),
    read_right("few-shot cifar-fs", crlf("*.txt"), "Windows line ends and a mark at the start", dealt, first="cryptic"),
    read_right("few-shot cub", lambda root: (root / "images/.ipynb_checkpoints").mkdir(), "a hidden folder among the classes", dealt, first="cryptic"),
    read_right("market1501", lambda root: [(root / "query" / n).write_bytes(b"x") for n in (".DS_Store", "._0001_c1s1_000000_00.jpg")], "files that a Mac leaves behind", searched),
]


def latin(folder):
    root = copied(SETS["cub"][0], "cub", folder / "data")
    line("classes.txt", 2, "2 002.Möwe".encode("latin-1"))(root)
    return Cub(root).classes[1]


# --- one folder per class

def loose(folder):
    class_folders(folder / "data")
    scene().save(folder / "data/loose.png")
    return len(ClassFolder(folder / "data"))


def nested(folder):
    class_folders(folder / "data")
    pictures(folder / "data/ash/deep/deeper", ["x.png"])
    ds = ClassFolder(folder / "data")
    assert all(p.relative_to(folder / "data").parts[0] == ds.classes[k] for p, k in zip(ds.paths, ds.labels))
    return len(ds)


def order(folder):
    names = ["10", "2", "1", "Ä", "a", "B", "é", "\U0001f426", "z"]
    class_folders(folder / "data", names, 1)
    ds = ClassFolder(folder / "data")
    assert ds.classes == sorted(names) and [p.parent.name for p in ds.paths] == sorted(names) and ds.labels == list(range(9))


def linked(folder):
    class_folders(folder / "real")
    (folder / "data").mkdir()
    for c in ("ash", "beech", "cedar"): (folder / "data" / c).symlink_to(folder / "real" / c)
    return len(ClassFolder(folder / "data"))


def linked_twice(folder):
    class_folders(folder / "data")
    (folder / "data/yew").symlink_to(folder / "data/ash")
    return ClassFolder(folder / "data").classes


def looped(folder):
    class_folders(folder / "data")
    (folder / "data/ash/up").symlink_to(folder / "data")
    (folder / "data/self").symlink_to("self")
    return len(ClassFolder(folder / "data"))


def two_forms(folder):
    class_folders(folder / "data", ("Mo\u0308we", "M\u00f6we"))
    assert len(list((folder / "data").iterdir())) == 2
    return ClassFolder(folder / "data").classes


def other_form(folder):
    "Trained where an ö is two characters, validated where it is one."
    class_folders(folder / "data", ("Mo\u0308we", "ash"), 4)
    class_folders(folder / "valid", ("M\u00f6we", "ash"), 2, seed=50)
    made = open_training("species", folder / "data", Options(size=(SIDE, SIDE), valid=str(folder / "valid")))
    assert made.classes == list(made.valid.classes) == ["M\u00f6we", "ash"]


def empty_class(folder):
    class_folders(folder / "data")
    (folder / "data/yew").mkdir()
    return train(folder, folder / "data")


def half_copied(folder):
    for part in ("test", "val"): class_folders(folder / "data" / part)
    return train(folder, folder / "data")


def called_train(folder):
    "A class called train, in which lie folders, is taken for the training part; that is said."
    class_folders(folder / "data", ("bus", "car", "train"))
    class_folders(folder / "data/train", ("diesel", "steam"), 3, seed=20)
    return open_training("species", folder / "data", SMALL).classes


def hidden_in_train(folder):
    class_folders(folder / "data", ("bus", "car", "train"))
    (folder / "data/train/.thumbnails").mkdir()
    return open_training("species", folder / "data", SMALL).classes


def valid_lacks(*classes: str):
    def do(folder):
        class_folders(folder / "data")
        class_folders(folder / "valid", classes, seed=50)
        return train(folder, folder / "data", "--valid", folder / "valid")
    return do


def valid_in_other_order(folder):
    "Aircraft number their variants by a list, a folder by its names: the labels must be of the same classes."
    root = copied(SETS["aircraft"][0], "aircraft", folder / "data")
    names = (root / "data/variants.txt").read_text().splitlines()
    (root / "data/variants.txt").write_text("\n".join(names[::-1]) + "\n")
    class_folders(folder / "valid", names, 2, seed=50)
    made = open_training("species", root, Options(size=(SIDE, SIDE), valid=str(folder / "valid")))
    assert made.classes == names[::-1]
    assert all(made.classes[made.valid[i][1]] == made.valid.paths[i].parent.name for i in range(len(made.valid)))


def no_test(folder): return train(folder, class_folders(folder / "data"), "--test")


def its_own(part: str):
    def do(folder): return train(folder, class_folders(folder / "data"), f"--{part}", folder / "data")
    return do


def one_shared(folder):
    "One photograph of the exam is trained on, under another name."
    class_folders(folder / "data", each=4)
    class_folders(folder / "test", each=2, seed=50)
    shutil.copy(folder / "data/ash/ash_0.png", folder / "test/ash/another name.png")
    return len(open_training("species", folder / "data", Options(size=(SIDE, SIDE), test=str(folder / "test"), valid_share=0), with_exam=True).train)


def twice(folder):
    "Copies of one photograph in a folder: whichever lands in validation was trained on."
    class_folders(folder / "data", each=4)
    for i in range(4): shutil.copy(folder / "data/ash/ash_0.png", folder / f"data/ash/copy {i}.png")
    open_training("species", folder / "data", Options(size=(SIDE, SIDE), valid_share=.4))


def broken_in_training(*how: object):
    def do(folder):
        class_folders(folder / "data")
        for p in (folder / "data/ash").iterdir(): p.write_bytes(b"junk")
        return train(folder, folder / "data", *how)
    return do


def out_among_classes(folder):
    class_folders(folder / "data")
    assert "among the folders of the classes" in refusal(lambda: brnpa("train", folder / "data", "--out", folder / "data/run", "--epochs", 1, "--quiet"))
    assert sorted(p.name for p in (folder / "data").iterdir()) == ["ash", "beech", "cedar"]


# --- where photographs come from, and where results go

def own_output(out: str, second: str = ""):
    "Explain twice, and once more from the start: the pictures that were drawn are no photographs."
    def do(folder):
        pictures(folder / "photos", ["a.png", "b.png", "deep/c.png"])
        place = folder / "photos" / out
        how = {"size": SIDE, "batch_size": 3, "shard_size": 2}
        found = [explain_photos(network(), folder / "photos", p, restart=again, **how).photographs for p, again in ((place, False), (place, False), (folder / "photos" / second if second else place, not second))]
        assert found == [3, 3, 3]
    return do


def here(folder):
    "`brnpa explain .` twice, with results in the folder that is explained."
    pictures(folder / "photos", ["a.png", "b.png"])
    was = os.getcwd()
    os.chdir(folder / "photos")
    try: return [json.loads(brnpa("explain", ".", "--weights", model_file(folder), "--quiet", "--json"))["photographs"] for _ in range(2)]
    finally: os.chdir(was)


def out_is_a_file(folder):
    (folder / "file").write_text("mine")
    def explain(): return explain_photos(network(), pictures(folder / "photos"), folder / "file", size=SIDE)
    said = refusal(explain)
    assert (folder / "file").read_text() == "mine" and "file" in said and "Errno" not in said


def read_only(place: str):
    def do(folder):
        pictures(folder / "photos")
        (folder / "locked").mkdir()
        (folder / "locked").chmod(0o500)
        with without_rights(): said = refusal(lambda: explain_photos(network(), folder / "photos", folder / place, size=SIDE))
        (folder / "locked").chmod(0o700)
        assert "Errno" not in said and not list((folder / "locked").iterdir())
        return said
    return do


def other_run(change):
    "The folder holds the results of another run: refused, and left as it was; from the start with --restart."
    def do(folder):
        pictures(folder / "photos", ["a.png", "b.png", "c.png"])
        explained(folder, folder / "photos")
        before = {p: p.read_bytes() for p in sorted((folder / "out").rglob("*.*")) if p.is_file()}
        said = refusal(lambda: change(folder, {}))
        assert {p: p.read_bytes() for p in sorted((folder / "out").rglob("*.*")) if p.is_file()} == before and "maps of another plan" in said
        change(folder, {"restart": True})
        return said
    return do


def own_pictures(folder):
    "Photographs in a folder called pictures, with the numbers that results have; results beside it, twice from the start: the photographs stay."
    pictures(folder / "out/pictures", ["00000_a.jpg", "00001_b.jpg"])
    before = {p.name: p.read_bytes() for p in (folder / "out/pictures").iterdir()}
    for k in range(3): explained(folder, [folder / "out/pictures" / name for name in sorted(before)], restart=k > 0)
    assert all((folder / "out/pictures" / name).read_bytes() == data for name, data in before.items())
    assert each_is_its_own(store(folder)) == 2


def renamed_and_resumed(folder):
    "A class folder is renamed between two runs of the same command: the numbers of the classes mean something else."
    train(folder, class_folders(folder / "data"))
    (folder / "data/ash").rename(folder / "data/zebra")
    return train(folder, folder / "data")


def restarted(folder):
    "From the start with other photographs: nothing of the old ones stays to be taken for new."
    pictures(folder / "photos", ["a.png", "b.png", "c.png"])
    explained(folder, folder / "photos", pictures=10)
    pictures(folder / "more", ["zz.png"])
    explained(folder, folder / "more", restart=True)
    return sorted(p.name for p in (folder / "out/pictures").iterdir()), each_is_its_own(store(folder))


ROWS: list[Row] = [
    *DAMAGED,
    row("cub: a name in Latin-1", latin, check=lambda name: np.testing.assert_equal(name, "002.Möwe"), warns="classes.txt line 2 is not UTF-8"),
    row("a photograph beside the class folders", loose, check=lambda n: np.testing.assert_equal(n, 9), warns="1 photographs lie beside the class folders"),
    row("photographs deeper in a class folder", nested, check=lambda n: np.testing.assert_equal(n, 10)),
    row("numbers, capitals and other alphabets as classes", order),
    row("class folders that are links", linked, check=lambda n: np.testing.assert_equal(n, 9)),
    row("one class folder under two names", linked_twice, "are one and the same folder", first="silent"),
    row("a link to the folder above, and one to itself", looped, check=lambda n: np.testing.assert_equal(n, 9)),
    row("two class folders of one name", two_forms, "two folders that are called 'Möwe'", first="silent"),
    row("a class name written in two ways", other_form, first="cryptic"),
    row("an empty class folder", empty_class, "no photograph was found in"),
    row("one class", lambda f: train(f, class_folders(f / "data", ["ash"])), "shows one class, 'ash'", first="silent"),
    row("one picture a class", lambda f: train(f, class_folders(f / "data", each=1)), "no class has two pictures or more"),
    row("one picture a class, no validation", lambda f: (train(f, class_folders(f / "data", each=1), "--valid-share", 0), load_model(f / "out/last.safetensors").classes)[1], check=lambda c: np.testing.assert_equal(c, ["ash", "beech", "cedar"])),
    row("a set of which the training part was not copied", half_copied, "holds test, val but no folder 'train'", first="silent"),
    row("a class called train with folders in it", called_train, check=lambda c: np.testing.assert_equal(c, ["diesel", "steam"]), warns="is taken for the train part of", first="silent"),
    row("a class called train with a hidden folder in it", hidden_in_train, check=lambda c: np.testing.assert_equal(c, ["bus", "car", "train"]), first="cryptic"),
    row("validation photographs of fewer classes", valid_lacks("ash", "beech"), "'cedar' is in one of them only"),
    row("validation photographs of more classes", valid_lacks("ash", "beech", "cedar", "yew"), "'yew' is in one of them only"),
    row("validation photographs whose classes are in another order", valid_in_other_order, first="crash"),
    row("an exam asked of a folder without a test part", no_test, "has no test part", first="silent"),
    row("an exam on the training folder", its_own("test"), "9 of the 9 test photographs are also among those trained on", first="silent"),
    row("validation on the training folder", its_own("valid"), "9 of the 9 validation photographs are also among those trained on", first="silent"),
    row("one photograph in training and test", one_shared, check=lambda n: np.testing.assert_equal(n, 12), warns="1 of the 7 test photographs are also among those trained on", first="silent"),
    row("copies of one photograph in a folder", twice, check=lambda found: None, warns="validation photographs are also among those trained on", first="silent"),
    row("broken photographs in training", broken_in_training(), "is not a picture that can be read here", keeps=("history.png",)),
    row("broken photographs in training, read by other processes", broken_in_training("--workers", 2), "is not a picture that can be read here", first="crash"),
    row("a class renamed between two runs of a training", renamed_and_resumed, "holds a run with other settings (classes", first="silent", keeps=("state.safetensors", "last.safetensors", "best.safetensors", "history.png")),
    row("results among the class folders", out_among_classes, first="silent"),
    row("a file for a folder of classes", lambda f: (scene().save(f / "x.png"), train(f, f / "x.png")), "is not a folder"),
    row("no such folder", lambda f: train(f, f / "nowhere"), "is not a folder"),
    row("nothing for a folder of classes", lambda f: train(f, ""), "a path is empty", first="silent"),
    row("nothing for photographs", lambda f: explain_command(f, ""), "a path is empty", first="silent"),
    row("the home folder of nobody", lambda f: find_photos("~nobody.of.this.name/photos"), "home folder of somebody who is not known", first="crash"),
    row("no such photographs", lambda f: explain_command(f, f / "nowhere"), "was not found"),
    row("a slash behind the folder", lambda f: len(find_photos(f"{pictures(f / 'photos')}/")), check=lambda n: np.testing.assert_equal(n, 4)),
    row("no exam in a folder of nothing", lambda f: ((f / "data").mkdir(), open_exam("species", f / "data", SMALL)), "holds no folder"),
    row("an unknown layout", lambda f: open_data(None, pictures(f / "data")), "has no layout that is known"),
    row("results in the folder of photographs", own_output("out"), first="silent"),
    row("results beside the photographs", own_output(""), first="silent"),
    row("results of two runs in the folder of photographs", own_output("one", "two"), first="silent"),
    row("explaining where one is, twice", here, check=lambda n: np.testing.assert_equal(n, [2, 2]), first="cryptic"),
    row("a file where results should go", out_is_a_file, first="cryptic"),
    row("a folder that may not be written", read_only("locked"), check=lambda said: None, first="cryptic"),
    row("a folder that may not be made", read_only("locked/out"), check=lambda said: None, first="cryptic"),
    row("results of another network", other_run(lambda f, how: explained(f, f / "photos", network(n_maps=2), **how)), check=lambda said: said.index("n maps 3 there, 2 now")),
    row("results of other class names", other_run(lambda f, how: explained(f, f / "photos", network(("x", "y", "z")), **how)), check=lambda said: said.index("classes")),
    row("results of another crop", other_run(lambda f, how: explained(f, f / "photos", crop="squash", **how)), check=lambda said: said.index("transform")),
    row("results of other photographs", other_run(lambda f, how: explained(f, f / "photos/a.png", **how)), check=lambda said: said.index("photographs 3 there, 1 now")),
    row("photographs in a folder called pictures", own_pictures),
    row("a new start with other photographs", restarted, check=lambda found: np.testing.assert_equal(found, (["00000_zz.jpg"], 1)), first="silent"),
]
