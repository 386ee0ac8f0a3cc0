"""What judging a recipient costs, over what asking phonenumbers costs, for numbers that were never seen before.

Prints microseconds a number for mobile numbers of some regions and of all, then what it takes to compile the plans of
the world, and ends with `phone_us 1.42 phone_ratio 0.041`: the median region's cost, and ours over the library's.
"""

from __future__ import annotations

import random
import re
import statistics
import time
import tracemalloc
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from phonenumbers import PhoneMetadata, PhoneNumberType

from app.domain.numbering import _CALLING_CODES, _LONGEST, _claims, _compiled, _left_over, _ranges, assignment
from app.domain.phone import check_recipient
from tests.bench.harness.report import print_table, say
from tests.support.numbering_plans import REGIONS, example, said_by_phonenumbers

_SHOWN: Final = ("US", "CA", "VI", "GB", "IM", "DE", "FR", "IT", "RU", "IN", "CN", "JP", "BR", "AR", "MX", "BD", "NG")
_MICROSECONDS: Final = 1e6


def arguments() -> ArgumentParser:
    """Give what may be asked for on the command line."""
    made = ArgumentParser(prog="python -m tests.bench.phone", description=__doc__)
    made.add_argument("--rounds", type=int, default=7, help="over all regions; the fastest of each kind counts")
    made.add_argument("--numbers", type=int, default=200, help="of each region in each round")
    made.add_argument("--calling-codes", type=int, help="how many to compile for the memory; all unless told")
    made.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    return made


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    told = arguments().parse_args(given)
    compiled_mb, compiled_longest = compile_the_world(told.calling_codes)
    mobile = {region: text for region in REGIONS if (text := example(region, PhoneNumberType.MOBILE))}
    costs: dict[str, tuple[float, ...]] = dict.fromkeys(mobile, (float("inf"),) * 3)
    for number in range(told.rounds):
        for region, text in mobile.items():
            spent = cost(text, seed=f"{text}/{number}", numbers=told.numbers)
            costs[region] = tuple(map(min, costs[region], spent))
    ranked = sorted(costs, key=lambda region: costs[region][1])
    rows = [(region, costs[region]) for region in _SHOWN]
    rows += [(f"slowest: {region}", costs[region]) for region in reversed(ranked[-3:])]
    middle = tuple(statistics.median(column) for column in zip(*costs.values(), strict=True))
    rows.append((f"median of {len(costs)}", middle))
    headings = ["mobile numbers of", "plan alone µs", "check_recipient µs", "phonenumbers µs", "ratio"]
    print_table([headings, *(cells(*row) for row in rows)], markdown=told.markdown)
    say(f"over 3 µs: {', '.join(region for region in ranked if costs[region][1] > 3) or 'none'}")
    say(f"compiled for all lengths: {compiled_mb:.1f} MB; {compiled_longest}")
    say(f"phone_us {middle[1]:.2f} phone_ratio {middle[1] / middle[2]:.3f}")


def cells(name: str, costs: Sequence[float]) -> list[str]:
    """Give a row of the table."""
    plan, ours, library = costs
    return [name, f"{plan:.2f}", f"{ours:.2f}", f"{library:.1f}", f"{ours / library:.3f}"]


def cost(text: str, *, seed: str, numbers: int) -> tuple[float, ...]:
    """Measure the plan alone, the whole check and the library, in microseconds for a number near `text`."""
    chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
    texts = [text[:-4] + f"{number:04}" for number in chance.sample(range(10_000), numbers)]
    return tuple(_spent(judge, texts) / numbers * _MICROSECONDS for judge in (assignment, _check, said_by_phonenumbers))


def _check(text: str) -> object:
    return check_recipient(text, fictional_allowed=False)


def _spent(judge: Callable[[str], object], texts: Iterable[str]) -> float:
    """Run over the texts and give the processor time in seconds, in which neighbours on the machine count less."""
    start = time.thread_time()
    for text in texts:
        judge(text)
    return time.thread_time() - start


def compile_the_world(count: int | None) -> tuple[float, str]:
    """Compile every pattern of `count` calling codes; give the megabytes, and which of them take longest."""
    PhoneMetadata.load_all()
    codes = list(dict.fromkeys(_CALLING_CODES.values()))[:count]
    spent = {code: _spent(_compile, [code]) * 1000 for code in codes}
    for cached in (_ranges, _left_over, _compiled):
        cached.cache_clear()
    re.purge()
    tracemalloc.start()
    for code in codes:
        _compile(code)
    megabytes = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    longest = sorted(spent, key=lambda code: spent[code], reverse=True)[:4]
    return megabytes, "longest " + ", ".join(f"{code} {spent[code]:.0f} ms" for code in longest)


def _compile(code: str) -> None:
    claims = _claims(code)
    for length in range(len(code), _LONGEST + 1):
        for regions in (claims.before, *claims.after):
            _ranges(code, regions, length)
        _left_over(code, length)


if __name__ == "__main__":
    main()
