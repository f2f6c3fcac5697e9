"""Laws of simulated meters: registers tell all energy, whatever their width and start."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import a_meter
from wattbay.ids import CommunityId, PodId
from wattbay.simulation.meters import Meters


@given(
    st.lists(st.tuples(st.floats(0, 20_000), st.floats(0, 20_000)), max_size=40),
    st.integers(5, 12),
    st.data(),
)
def test_differences_of_registers_are_the_energy_to_the_watt_hour(
    flows: list[tuple[float, float]], digits: int, data: st.DataObject
) -> None:
    width = 10**digits
    starts = data.draw(st.tuples(*[st.integers(0, width - 1)] * 2))
    meter = replace(
        a_meter("m1", digits=digits), import_register=starts[0], export_register=starts[1]
    )
    meters = Meters(CommunityId("town"), 1, [PodId("h01")], [meter])
    before = starts
    told = [0, 0]
    for drawn, injected in flows:
        meters.add(np.array([drawn]), np.array([injected]))
        imports, exports = meters.registers()
        now = (int(imports[0]), int(exports[0]))
        assert all(0 <= register < width for register in now)
        told = [told[i] + (now[i] - before[i]) % width for i in range(2)]
        before = now
    sums = np.cumsum(np.array([*flows, (0.0, 0.0)]), axis=0)[-1]
    assert told == [int(np.rint(total)) for total in sums]
