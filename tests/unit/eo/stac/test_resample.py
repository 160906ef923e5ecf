import numpy as np
import pytest

from timesenclip.eo.stac.resample import look_up_nearest


@pytest.mark.parametrize("shift", [0, -3, 9, 40, -40])
def test_rows_and_columns_apart_find_what_places_one_by_one_find(shift: int) -> None:
    values = np.arange(1, 12 * 9 + 1, dtype=np.float32).reshape(12, 9)
    rows, columns = np.arange(7)[:, None] * 1.5 + 0.7 + shift, np.arange(5)[None, :] * 0.5 + 2.2 - shift
    apart = look_up_nearest(values, rows, columns, (1, 0), outside=np.float32(0))
    together = look_up_nearest(values, *np.broadcast_arrays(rows, columns), (1, 0), outside=np.float32(0))
    assert apart.dtype == values.dtype
    assert np.array_equal(apart, together)
    for i in range(7):
        for j in range(5):
            row, column = int(np.floor(rows[i, 0])) - 1, int(np.floor(columns[0, j]))
            inside = 0 <= row < 12 and 0 <= column < 9
            assert apart[i, j] == (values[row, column] if inside else 0)
