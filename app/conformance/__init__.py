"""Whether an adapter keeps the provider contract: pure checks over stored samples, usable on any adapter.

    findings = examine(load_subject(Adapter, Path("samples/acme")))

`load_subjects` gives one subject for each of its configurations, where there are several. An empty list means that it
does. No network, no clock, no test framework; `samples` says how samples are written.
"""

from __future__ import annotations

from app.conformance.checks import checks, examine
from app.conformance.samples import SampleBroken, Samples, load_samples
from app.conformance.subject import Check, Finding, Sign, Subject, load_subject, load_subjects

__all__ = [
    "Check",
    "Finding",
    "SampleBroken",
    "Samples",
    "Sign",
    "Subject",
    "checks",
    "examine",
    "load_samples",
    "load_subject",
    "load_subjects",
]
