"""Nothing piles up: the same thing many times, and what the process then holds more than before."""
import gc
import os
import tracemalloc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from brnpa_nb.data.birds import Birds
from brnpa_nb.demo import shipped
from brnpa_nb.evidence.explainers import explain_with
from brnpa_nb.views.compare import compare
from brnpa_nb.views.explorer import explore
from tests.hardening import Count
from tests.leftovers import state


@dataclass(frozen=True)
class Growth:
    "What a process holds more after the second half of the repeats than after the first."
    python: int      # bytes that Python allocated (tracemalloc)
    tensors: int     # live tensors
    process: int     # bytes of the process (resident)

    @property
    def flat(self) -> bool: return self.python < 100_000 and self.tensors <= 0 and self.process < 24 << 20

    def __str__(self): return f"{self.python / 1e3:+.0f} kB in Python, {self.tensors:+d} tensors, {self.process / 2 ** 20:+.1f} MiB of the process"


def resident() -> int:
    "Bytes of this process in memory (Linux; elsewhere 0, and nothing is said about the process)."
    try: return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError: return 0


def held() -> tuple[int, int, int]:
    "Bytes of Python, live tensors, bytes of the process, after everything that can go has gone."
    for _ in range(3): gc.collect()
    return tracemalloc.get_traced_memory()[0], sum(type(o) in (torch.Tensor, torch.nn.Parameter) for o in gc.get_objects()), resident()


def growth(do: Callable[[], object], times: int) -> Growth:
    "Call it, half of the times before the first look and half after it."
    tracemalloc.start()
    try:
        for _ in range(times - times // 2): do()
        before = held()
        for _ in range(times // 2): do()
        return Growth(*(b - a for a, b in zip(before, held())))
    finally: tracemalloc.stop()


def things(folder: Path) -> dict[str, tuple[Callable[[], object], int]]:
    "What is repeated, and how often."
    model = shipped("birds_high")
    photos = torch.stack([Birds(2, "valid", workers=1)[i][0] for i in range(2)])
    maps = model.explain(photos)

    def contributions():
        found = model.explain(photos)
        found.contributions(model.classifier, model(photos).argmax(1)).sum().item()

    def gradients():
        x = photos.clone().requires_grad_()
        model(x).logsumexp(1).sum().backward()
        model.zero_grad(set_to_none=True)

    def widget(): explore(maps, photos, head=model.classifier, classes=model.classes).close()

    def compared(): compare({"one": maps, "two": maps}, photos).close()

    def page():
        view = explore(maps, photos, head=model.classifier)
        view.to_html(folder / "page.html")
        view.close()

    def grad_cam(): explain_with("gradcam", model, photos)

    def interrupted():
        handle = model.pooling.register_forward_hook(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        try: model.explain(photos)
        except KeyboardInterrupt: pass
        finally: handle.remove()

    return {"explanations": (lambda: model.explain(photos), 500), "contributions": (contributions, 100), "gradients": (gradients, 60), "widgets opened and closed": (widget, 50),
            "comparisons opened and closed": (compared, 50), "pages written": (page, 30), "Grad-CAM": (grad_cam, 60), "explanations interrupted": (interrupted, 60)}


def dead_after_close() -> bool:
    "A closed widget is gone, with its photographs."
    model = shipped("birds_low")
    photos = torch.stack([Birds(2, "valid", workers=1)[i][0] for i in range(2)])
    view = explore(model.explain(photos), photos)
    kept = weakref.ref(view)
    view.close()
    del view
    gc.collect()
    return kept() is None


def untouched() -> bool:
    "After explaining, a model has the hooks, modes, gradients and generators that it had."
    model = shipped("birds_low").train()
    photos = torch.stack([Birds(2, "valid", workers=1)[i][0] for i in range(2)])
    before = state(model, photos)
    model.explain(photos)
    explain_with("gradcam", model, photos)
    return state(model, photos) == before


def run(share: float = 1.) -> dict[str, Count]:
    "Every thing, the given share of its times."
    count, released = Count(), Count()
    with TemporaryDirectory() as folder:
        for name, (do, times) in things(Path(folder)).items():
            found = growth(do, max(10, round(share * times)))
            count.add(found.flat, f"{name}: {found}")
    for check in (dead_after_close, untouched): released.add(check(), check.__doc__ or "")
    return {"no growth": count, "released": released}
