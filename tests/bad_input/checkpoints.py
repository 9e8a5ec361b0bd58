"""Bad input: checkpoints."""
from tests.bad_input import Row

ROWS: list[Row] = []
