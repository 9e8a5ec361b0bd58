"""Everything that a question to a network could leave changed."""
import random
import warnings

import numpy as np
import torch
from torch import nn


class Accident(Exception): pass


def state(model, images):
    "All that an explainer could leave changed."
    hooks = [k for k in vars(nn.Module()) if "hooks" in k]
    return ([(n, id(m), m.training, [len(getattr(m, k)) for k in hooks]) for n, m in model.named_modules()],
            [(n, p.requires_grad, p.grad is None or p.grad.sum().item(), p._version, p.sum().item()) for n, p in model.named_parameters()],
            [(n, b._version) for n, b in model.named_buffers()], (images.sum().item(), images.requires_grad, images.grad is None),
            torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate(), torch.is_grad_enabled(), list(warnings.filters))  # noqa: NPY002
