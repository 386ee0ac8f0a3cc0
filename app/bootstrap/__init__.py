"""The composition root: from settings to engine, adapters and services. Nothing else knows of all of them."""

from app.bootstrap.adapters import Adapters, build_adapters
from app.bootstrap.api import build_api
from app.bootstrap.collector import spare_the_collector
from app.bootstrap.engines import build_engine
from app.bootstrap.operators import (
    build_administration,
    build_operators,
    build_sandbox,
)
from app.bootstrap.worker import QUESTIONS, WorkerContext, build_worker

__all__ = [
    "QUESTIONS",
    "Adapters",
    "WorkerContext",
    "build_adapters",
    "build_administration",
    "build_api",
    "build_engine",
    "build_operators",
    "build_sandbox",
    "build_worker",
    "spare_the_collector",
]
