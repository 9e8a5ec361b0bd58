"""Odd settings of the machine change nothing; the same seed gives the same bytes; the network is asked by nobody. (Each alone, and more of them: `python -m tests.hardening --only circumstances determinism`.)"""
import json
import socket

import pytest

from brnpa_nb.data.lookalikes import class_folder_lookalike
from tests.hardening.circumstances import probe
from tests.hardening.determinism import PAIRS, result
from tests.offline import NetworkAsked


def test_odd_settings_change_nothing(tmp_path):
    "No home, no screen, no network, a locale that knows ASCII only, `python -O`, a blank in the path, all at once: the same bytes as without."
    plain, odd = (probe(name, tmp_path / name[:3]) for name in ("plain", "all at once"))
    assert plain.returncode == odd.returncode == 0, plain.stderr[-3000:] + odd.stderr[-3000:]
    assert json.loads(plain.stdout) == json.loads(odd.stdout)


def test_the_number_of_workers_changes_nothing(tmp_path):
    class_folder_lookalike(tmp_path / "data")
    one, other = PAIRS["training, 0 and 2 workers"]
    assert result(one, tmp_path) == result(other, tmp_path)
    assert result(one, tmp_path) != result([*one, "--seed", "1"], tmp_path)


def test_no_test_may_ask_the_network():
    with pytest.raises(NetworkAsked): socket.create_connection(("pypi.org", 443), timeout=1)
    with pytest.raises(NetworkAsked): socket.create_connection(("192.0.2.1", 443), timeout=1)
