"""What workers and callers do to one message, each as the services do it; when, is up to whoever drives them."""

from __future__ import annotations

from app.domain.change import Work
from app.domain.conclusions import after_acceptance
from app.domain.evidence import FetchAnswer, NoAnswer, ProviderMessage
from app.domain.inquiry import next_inquiry
from app.domain.lifecycle import give_back, report
from app.domain.message import AttemptPhase
from app.domain.provider import StatusReport
from app.domain.reconciling import looked_up
from app.domain.resolving import ask, rescue, resolve
from app.domain.status import RANKS, MessageStatus
from app.domain.waiting import cancel, claim, redrive
from tests.simulation.life import LEASE, POLICY, Errand, Life


def take(life: Life) -> None:
    """Claim it once it is due, or end it if it must not be sent any more."""
    row, fence = life.due(), life.store.next_fence()
    poisoned = row.crashes >= POLICY.poison_crashes
    life.write(
        *claim(life.message, provider="acme", fence=fence, now=life.now, lease=LEASE, worker=1, poisoned=poisoned)
    )
    if life.message.status is MessageStatus.SENDING:
        life.errands.append(Errand(number=life.message.attempts, fence=fence, begun_at=life.now))


def inquire(life: Life) -> None:
    """Choose a question once it is due, or let the guarantee decide."""
    row, message, attempt, capabilities = life.due(), life.message, life.newest, life.capabilities
    inquiry = next_inquiry(message, attempt, capabilities, now=life.now, crashes=row.crashes, policy=POLICY.inquiry)
    if inquiry is None:
        change = resolve(message, attempt, now=life.now, capabilities=capabilities, policy=POLICY, crashes=row.crashes)
        life.write(change)
        return
    fence = life.store.next_fence()
    life.write(ask(message, attempt, inquiry, fence=fence, now=life.now, lease=LEASE, worker=1))
    life.errands.append(Errand(number=attempt.number, fence=fence, begun_at=life.now, inquiry=inquiry))


def take_over(life: Life) -> None:
    """Take its worker for dead, whether or not it is."""
    assert life.row is not None
    change = rescue(
        life.message,
        life.newest,
        fence=life.store.next_fence(),
        now=life.now,
        policy=POLICY,
        capabilities=life.capabilities,
        crashes=life.row.crashes,
    )
    life.write(change)


def is_at_work(life: Life) -> bool:
    """Whether the worker that has claimed it lives."""
    leased = life.row is not None and life.row.leased_until is not None
    return leased and any(errand.fence == life.newest.fence for errand in life.errands)


def go_on(life: Life, said: MessageStatus | None) -> None:
    """Do what is due: send it, find out what became of it, look it up, or take over from a worker that is gone."""
    assert life.row is not None
    if life.row.leased_until is not None:
        life.now = max(life.now, life.row.leased_until)
        take_over(life)
        return
    match life.row.work:
        case Work.SEND | Work.SEND_ALONE:
            take(life)
        case Work.RESOLVE:
            inquire(life)
        case Work.RECONCILE:
            look_up(life, said)


def hand_back(life: Life) -> None:
    """Return what was claimed and not begun, and not taken over by anybody since."""
    for errand in list(life.errands):
        begun = errand.inquiry is not None or errand.learnt is not None
        started = life.newest.phase is AttemptPhase.STARTED and life.newest.fence == errand.fence
        if life.row is not None and life.row.leased_until is not None and started and not begun:
            life.write(give_back(life.message, life.newest, now=life.now, crashes=life.row.crashes))
            life.errands.remove(errand)


def hear(life: Life, number: int, said: MessageStatus) -> None:
    """Read a webhook about one of its attempts."""
    follow_up = after_acceptance(life.capabilities, now=life.now, policy=POLICY)
    told = StatusReport(status=said, provider_status=f"their {said}", provider_message_id=f"p-{number}")
    life.write(report(life.message, life.attempts[number], told, follow_up=follow_up))
    life.heard[number].append(said if RANKS[said] >= RANKS[MessageStatus.SENT] else MessageStatus.SENT)


def look_up(life: Life, said: MessageStatus | None) -> None:
    """Ask what became of it once that is due; `said` is what its record says, None if it is not shown."""
    row, known = life.due(), life.newest.provider_message_id
    row.tries += 1
    answer: FetchAnswer = NoAnswer(reason="cannot be asked")
    if known is not None and said is not None and life.taken[life.newest.number]:
        answer = ProviderMessage(provider_message_id=known, provider_status=f"their {said}", status=said)
    life.write(looked_up(life.message, life.newest, answer, looks=row.tries, now=life.now, policy=POLICY))
    if said is not None and isinstance(answer, ProviderMessage):
        life.heard[life.newest.number].append(said)


def withdraw(life: Life) -> None:
    """Let its account cancel it, if nobody has it."""
    change = cancel(life.message, leased=life.row is not None and life.row.leased_until is not None)
    if change is not None:
        life.write(change)


def send_on(life: Life) -> None:
    """Let an operator redrive it, if it was set aside."""
    change = redrive(life.message, now=life.now)
    if change is not None:
        life.write(change)
