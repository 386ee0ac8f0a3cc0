"""Asking about unknown outcomes without a worker."""

from __future__ import annotations

from app.services.resolver import Resolver


async def ask_all(resolver: Resolver, *, limit: int = 10) -> int:
    """Ask what is due, one question after the other, and write what is answered; return how many were asked."""
    questions = await resolver.begin(limit=limit)
    for question in questions:
        await resolver.conclude(question, await resolver.ask(question))
    return len(questions)
