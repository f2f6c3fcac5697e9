"""What the garbage collector of a service looks at, and how often.

Python counts references; its collector only finds circles, and for that walks through everything
that lives. A community's state is large, lives as long as the service and has no circles: walking
through it takes time from readings, and holds up whoever waits.
"""

import gc

YOUNG_MAX = 10_000
"""Objects that come to live before the youngest are looked through; Python's own is 700."""


def settle_memory() -> None:
    """Leave what lives now out of all later collections, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX)
