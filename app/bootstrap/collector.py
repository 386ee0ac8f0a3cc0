"""The garbage collector of a process that lives for long."""

from __future__ import annotations

import gc


def spare_the_collector() -> None:
    """Take what lives as long as the process out of the collector's sight, and let it look less often.

    Routes, models and tables are hundreds of thousands of objects that are never garbage. Looking through them
    again and again took a fifth of the API's time and a tenth of the worker's; neither a request nor a send
    leaves many cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
