"""Fine-grained data sets from outside a notebook: damaged copies, an archive fetched and opened, workers, the real photographs."""
import http.server
import shutil
import tarfile
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from brnpa_nb.data import downloads, finegrained
from brnpa_nb.data.downloads import Source
from brnpa_nb.data.finegrained import Cars, Cub, fetch, open_data, recognise
from brnpa_nb.data.lookalikes import aircraft_lookalike, cars_lookalike, class_folder_lookalike, cub_lookalike
from brnpa_nb.data.photos import Photos
from tests.real import DATA, needs

MAKE = {"cub": cub_lookalike, "aircraft": aircraft_lookalike, "cars": cars_lookalike}


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    "One look-alike of every layout."
    top = tmp_path_factory.mktemp("lookalikes")
    return {name: make(top / name, n_classes=3, per_class=4, size=64) for name, make in MAKE.items()}


@pytest.fixture
def copy(originals, tmp_path):
    "A copy of a look-alike, to damage."
    return lambda name: Path(shutil.copytree(originals[name], tmp_path / name))


@pytest.mark.parametrize("name", MAKE)
def test_every_crop_keeps_the_box_on_the_bird(originals, name):
    "The corners of the box, found again in the photograph, are the table's."
    for size, crop in ((None, "center"), (48, "squash"), (48, "whole")):
        ds = open_data(name, originals[name], "test", size=size, crop=crop)
        for i in range(len(ds)):
            (x0, y0, x1, y1), (H, W) = ds.photos.frame(i)
            x, y, w, h = (ds.box(i) * torch.tensor([(x1 - x0) / W, (y1 - y0) / H] * 2)).tolist()
            assert torch.allclose(torch.tensor([x + x0, y + y0, w, h]), ds.boxes[i], atol=1e-2)


def test_a_turned_photograph_has_a_turned_frame(tmp_path):
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        Image.new("RGB", (40, 20)).save(tmp_path / f"{turn}.jpg", exif=exif)
    photos = Photos(tmp_path, size=16, crop="whole")
    for i in range(8): assert photos.frame(i) == (photos.read(i).box, tuple(photos[i].shape[1:]))


def test_workers_and_a_folder_above(originals):
    ds = open_data(None, originals["aircraft"].parent / "aircraft", "trainval", size=32)
    loader = DataLoader(ds, batch_size=4, num_workers=2)
    assert torch.equal(torch.cat([x for x, _ in loader]), torch.stack([ds[i][0] for i in range(len(ds))]))
    assert torch.cat([y for _, y in loader]).tolist() == ds.labels


def test_cars_one_folder_deeper(copy):
    root = copy("cars")
    (root / "cars_train").rename(root / "inner")
    (root / "cars_train").mkdir()
    (root / "inner").rename(root / "cars_train" / "cars_train")
    (root / "devkit/cars_test_annos_withlabels.mat").rename(root / "cars_test_annos_withlabels.mat")
    assert len(Cars(root)) == len(Cars(root, "test")) == 6


@pytest.mark.parametrize("keep", [("images.txt", "image_class_labels.txt"), ("train_test_split.txt", "bounding_boxes.txt", "images")])
def test_half_a_copy_is_still_recognised(copy, keep):
    root = copy("cub")
    for p in list(root.iterdir()):
        if p.name not in keep: shutil.rmtree(p) if p.is_dir() else p.unlink()
    assert recognise(root) == recognise(root.parent) == "cub"
    with pytest.raises(FileNotFoundError, match="lacks .* of CUB-200-2011"): open_data(None, root)


def test_fetched_unpacked_opened(originals, tmp_path, monkeypatch):
    "From an archive on a server to photographs, and not a second time."
    (served := tmp_path / "served").mkdir()
    with tarfile.open(served / "CUB_200_2011.tgz", "w:gz") as tar: tar.add(originals["cub"], "CUB_200_2011")
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args): asked.append(args)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(served))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        size = (served / "CUB_200_2011.tgz").stat().st_size
        monkeypatch.setitem(finegrained.SOURCES, "cub", Source(f"http://127.0.0.1:{server.server_port}/CUB_200_2011.tgz", size))
        root = fetch("cub", tmp_path / "data", progress=False)
        assert len(open_data(None, root, "all")) == 12 and fetch("cub", tmp_path / "data", progress=False) == root and len(asked) == 1
        server.shutdown()


def test_sources_are_https_with_size_and_checksum():
    for source in finegrained.SOURCES.values():
        downloads._check_url(source.url)
        assert source.size and source.checksum and source.note


def test_class_folder_with_and_without_split(tmp_path):
    for split in ("train", "test"): class_folder_lookalike(tmp_path / "both" / split, 2, 2, size=48)
    assert len(open_data("folder", tmp_path / "both", "test", size=32)) == 4
    assert len(open_data(None, tmp_path / "both" / "train", "all", size=32)) == 4


@needs("cub")
def test_real_cub():
    "Counts, ids, and a box and a part point against lines of the files read by eye."
    root = DATA / "cub"
    assert recognise(root) == "cub"
    train, test, every = (Cub(root, split, size=None) for split in ("train", "test", "all"))
    assert (len(train), len(test), len(every)) == (900, 834, 1734)
    assert len(every.classes) == 30 and every.class_ids[:4] == [1, 2, 5, 6] and set(every.labels) == set(range(30))
    assert not set(train.image_ids) & set(test.image_ids)
    i = every.image_ids.index(1)                                  # "1 45.84 20.63 248.30 232.31"; part 2, the beak: "1 2 238.37 139.08 1"; part 1: not visible
    assert every.boxes[i].tolist() == pytest.approx([45.84, 20.63, 248.30, 232.31]) and every.part_names[1] == "beak"
    points, seen = every.points(i)
    assert points[1].tolist() == pytest.approx([238.37, 139.08]) and bool(seen[1]) and not bool(seen[0])
    # 382 × 256 pixels (sizes.txt): the centre square of 256 begins at x = 63, so at 128 px the beak is at ((238.37 - 63) / 2, 139.08 / 2)
    small = Cub(root, "all", size=128)
    found, seen = small.parts(i)
    assert found[1].tolist() == pytest.approx([87.685, 69.54], abs=1e-3) and small[i][0].shape == (3, 128, 128)
    assert small.box(i).tolist() == pytest.approx([0, 10.315, (45.84 + 248.30 - 63) / 2, 232.31 / 2 ], abs=1e-3)
    assert every.class_attributes().shape == (30, 312) and every[i][1] == 0
