"""What became of each case: the suite without pytest, for the command and for benchmarks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from blocks import BlocksError
from blocks_compiler.conformance.cases import CASES, Case
from blocks_compiler.conformance.measure import Violation
from blocks_compiler.conformance.subject import Subject

OK, FAILED, WAIVED, NOT_ASKED = "ok", "failed", "waived", "does not apply"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case of one mixer. `reason` says what is wrong, why it is waived, or why it is not asked."""

    case: Case
    result: str
    reason: str = ""
    seconds: float = 0.0


def outcomes(subject: Subject, waive: Mapping[str, str], cases: Iterable[Case] = CASES) -> Iterator[Outcome]:
    """Try the cases one after another; an exception of any kind is a failure of that case alone."""
    for case in cases:
        if not case.applies(subject):
            yield Outcome(case, NOT_ASKED, why_not(case, subject))
        elif case.name in waive:
            yield Outcome(case, WAIVED, waive[case.name])
        else:
            start = time.perf_counter()
            wrong = attempt(case, subject)
            yield Outcome(case, FAILED if wrong else OK, wrong, time.perf_counter() - start)


def attempt(case: Case, subject: Subject) -> str:
    """What is wrong, or an empty text."""
    try:
        case.check(subject)
    except Violation as found:
        return str(found) or "the property does not hold"
    except BlocksError as error:
        return error.diagnostics[0].message
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def why_not(case: Case, subject: Subject) -> str:
    """Why a case is not asked."""
    missing = sorted(case.needs - subject.can)
    if missing:
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not declared"
    if case.reads and subject.mixer.memory_width is None:
        return "it reads no memory"
    return f"its module has no {case.method}" if case.method else "it is not declared"
