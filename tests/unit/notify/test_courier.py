"""A courier: what it sends, when, and what no interleaving of kills can make it lose."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coattail.alerts import Alert
from coattail.notify.courier import LONGEST, Courier
from coattail.notify.ledger import DeliveryLedger
from coattail.notify.message import Message
from coattail.notify.sink import AlertSink, Receipt
from coattail.stores.replies import Mute, Replies
from tests.harness.alerts import NOW, make_alert
from tests.harness.in_memory import MemoryHotStore
from tests.harness.running import Killed

pytestmark = pytest.mark.slow

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DELIVERED, REFUSED = Receipt(outcome="delivered", detail="200 OK"), Receipt(outcome="refused", detail="404 Not Found")


def failed(seconds: float | None = None) -> Receipt:
    wait = None if seconds is None else timedelta(seconds=seconds)
    return Receipt(outcome="failed", detail="500 oh", retry_after=wait)


@dataclass(frozen=True, kw_only=True)
class ScriptedSink(AlertSink):
    """Answers as it is told, then with success; remembers what arrived."""

    kind = "scripted"
    goes_to = "a test"

    answers: list[Receipt | str] = field(default_factory=list)
    arrived: list[Message] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    """Letters of alerts that always fail."""

    def deliver(self, message: Message) -> Receipt:
        answer = self.answers.pop(0) if self.answers else DELIVERED
        if answer == "killed before":
            raise Killed
        self.arrived.append(message)
        if answer == "killed after":
            raise Killed
        assert isinstance(answer, Receipt)
        return failed() if message.key[0] in self.failing else answer


@dataclass
class Scene:
    """A hot store, a ledger on disk, and a courier that can be started again."""

    folder: Path
    sink: ScriptedSink
    now: datetime = NOW
    hot: MemoryHotStore = field(default_factory=lambda: MemoryHotStore(24 * HOUR))
    max_age: timedelta = HOUR

    def __post_init__(self) -> None:
        self.ledger = DeliveryLedger(self.folder / "notify.db")
        self.replies = Replies(self.folder / "notify.db")
        self.start()

    def start(self, ledger: Any = None) -> None:
        """Begin anew, as a process that was killed does."""
        self.courier = Courier(
            self.sink, ledger=ledger or self.ledger, replies=self.replies, max_age=self.max_age,
            alerts=lambda since, now: self.hot.alerts(written_after=since, now=now),
            clock=lambda: self.now, chance=lambda: 0.5,
        )  # fmt: skip

    def write(self, *alerts: Alert) -> None:
        self.now += SECOND
        self.hot.put_alerts(alerts, now=self.now)

    def turn(self) -> None:
        """Look, and deliver what is due."""
        self.courier.look()
        while self.courier.deliver() == 0.0:
            pass

    def patiently(self, hours: float = 1.5) -> None:
        """Turns until nothing waits."""
        end = self.now + timedelta(hours=hours)
        while self.now < end:
            self.turn()
            self.now += 10 * SECOND

    @property
    def said(self) -> list[str]:
        """What arrived: the alert's letter, and what else its key says."""
        return [m.key[0] + m.key[32:] for m in self.sink.arrived]

    def counts(self) -> dict[str, int]:
        return self.ledger.counts(self.sink.name, NOW)


Scenes = Callable[..., Scene]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scenes]:
    made: list[Scene] = []

    def make(answers: Sequence[Receipt | str] = (), *, max_age: timedelta = HOUR, **parameters: Any) -> Scene:
        sink = ScriptedSink(name="s", answers=list(answers), **parameters)
        made.append(Scene(tmp_path, sink, max_age=max_age))
        return made[-1]

    yield make
    for one in made:
        one.ledger.close()
        one.replies.close()


# -- which alerts ------------------------------------------------------------------------------------------------


def test_an_episode_is_told_once_however_often_it_fires_and_whoever_starts_again(scene: Scenes) -> None:
    here = scene()
    for revision in range(1, 6):
        here.write(make_alert("a", revision=revision, details=f'{{"fired":{revision}}}'))
        here.turn()
    here.start()
    here.turn()
    assert here.said == ["a"]


def test_a_rise_in_severity_is_told_only_if_asked_for_and_each_level_once(scene: Scenes) -> None:
    for rises, said in ((False, ["a"]), (True, ["a", "a.high", "a.critical"])):
        here = scene(rises=rises)
        letter = "b" if rises else "a"
        for revision, severity in enumerate(("medium", "high", "medium", "high", "critical"), start=1):
            here.write(make_alert(letter, revision=revision, severity=severity))
            here.turn()
        assert here.said == [s.replace("a", letter, 1) for s in said]


def test_an_alert_that_rises_to_the_level_asked_for_is_told_then(scene: Scenes) -> None:
    here = scene(min_severity="high")
    here.write(make_alert("a", severity="medium"))
    here.turn()
    here.write(make_alert("a", severity="critical", revision=2))
    here.turn()
    assert here.said == ["a"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "abc"),
        ({"types": ("volume_spike",)}, "b"),
        ({"symbols": ("ETH-USD",)}, "c"),
        ({"exchanges": ("binance",)}, "ab"),
        ({"min_severity": "high"}, "ac"),
        ({"min_severity": "low"}, "abcd"),
        ({"provisional": True}, "abce"),
    ],
)
def test_alerts_are_chosen_by_sink(scene: Scenes, parameters: dict[str, Any], said: str) -> None:
    here = scene(**parameters)
    here.write(
        make_alert("a"),
        make_alert("b", alert_type="volume_spike", severity="medium"),
        make_alert("c", symbol="ETH-USD", exchange=None),
        make_alert("d", severity="low"),
        make_alert("e", status="provisional"),
    )
    here.turn()
    assert sorted(here.said) == list(said)


@pytest.mark.parametrize(("max_delay", "said"), [(None, "ab"), (HOUR, "a")])
def test_what_became_known_long_after_it_happened_is_sent_unless_there_is_a_limit(
    scene: Scenes, max_delay: timedelta | None, said: str
) -> None:
    here = scene(max_delay=max_delay)
    here.write(make_alert("a", ago=HOUR - MINUTE), make_alert("b", ago=HOUR))
    here.turn()
    assert sorted(here.said) == list(said)


def test_a_provisional_alert_that_was_told_is_not_told_again_when_it_is_final(scene: Scenes) -> None:
    here = scene(provisional=True)
    here.write(make_alert("a", status="provisional"))
    here.turn()
    here.write(make_alert("a", revision=2))
    here.turn()
    assert here.said == ["a"]


@pytest.mark.parametrize(("retractions", "said"), [(False, ["a"]), (True, ["a", "a.retracted"])])
def test_a_retraction_is_told_if_asked_for_and_only_where_the_alert_was(
    scene: Scenes, retractions: bool, said: list[str]
) -> None:
    here = scene(retractions=retractions)
    here.write(make_alert("a"))
    here.turn()
    here.write(make_alert("a", revision=2, status="retracted"), make_alert("b", status="retracted"))
    here.turn()
    assert here.said == said


def test_what_is_taken_back_before_it_was_sent_is_not_sent_unless_it_comes_back(scene: Scenes) -> None:
    here = scene()
    here.write(make_alert("a"))
    here.courier.look()
    here.write(make_alert("a", revision=2, status="retracted"))
    here.turn()
    assert (here.said, here.counts()) == ([], {"withdrawn": 1})
    here.write(make_alert("a", revision=3))
    here.turn()
    assert here.said == ["a"]


def test_what_waits_is_sent_as_it_stands_when_it_is_sent(scene: Scenes) -> None:
    here = scene()
    here.write(make_alert("a", message="fired 1 time"))
    here.courier.look()
    here.write(make_alert("a", message="fired 9 times", revision=2))
    here.turn()
    assert [m.alert.message for m in here.sink.arrived] == ["fired 9 times"]


def test_what_was_written_before_a_sink_was_first_used_is_none_of_its_business(scene: Scenes, tmp_path: Path) -> None:
    hot = MemoryHotStore(24 * HOUR)
    hot.put_alerts([make_alert("a")], now=NOW - SECOND)
    here = scene()
    here.hot = hot
    here.start()
    here.write(make_alert("b"))
    here.turn()
    assert here.said == ["b"]


def test_after_a_long_stop_old_alerts_are_counted_and_not_sent(scene: Scenes) -> None:
    here = scene()
    here.write(make_alert("a"))
    here.now += 3 * HOUR
    here.write(make_alert("b"))
    here.start()
    here.turn()
    assert (here.said, here.counts()) == (["b"], {"old": 1, "sent": 1})


# -- mutes and acknowledgements --------------------------------------------------------------------------------------


def test_a_muted_or_acknowledged_alert_is_not_sent_also_if_it_waits_already(scene: Scenes) -> None:
    here = scene([failed(600)])
    here.write(make_alert("a"))
    here.turn()
    until = here.now + HOUR
    here.replies.mute(
        Mute(symbol="BTC-USDT", alert_type=None, exchange=None, since=here.now, until=until)
    )  # fmt: skip
    here.write(make_alert("b"), make_alert("c", symbol="ETH-USD"))
    here.replies.acknowledge("c" * 32, note=None, now=here.now)
    here.patiently(0.5)
    assert (here.said, here.counts()) == (["a"], {"muted": 3})
    here.now = until
    here.write(make_alert("d"))
    here.turn()
    assert here.said == ["a", "d"]


# -- trouble ---------------------------------------------------------------------------------------------------------


def test_a_failure_is_tried_again_with_the_same_key_and_ever_longer_waits(scene: Scenes) -> None:
    here = scene([failed()] * 4)
    here.write(make_alert("a"))
    times = []
    end = here.now + 5 * MINUTE
    while here.now < end:
        before = len(here.sink.arrived)
        here.turn()
        times += [here.now] * (len(here.sink.arrived) - before)
        here.now += SECOND
    waits = [(b - a).total_seconds() for a, b in pairwise(times)]
    assert (here.said, waits) == (["a"] * 5, [2, 4, 8, 16])
    assert here.counts() == {"sent": 1}


def test_the_other_side_says_how_long_and_nothing_at_all_is_sent_meanwhile(scene: Scenes) -> None:
    here = scene([failed(120)])
    here.write(make_alert("a"), make_alert("b"))
    began = here.now
    here.turn()
    here.now = began + 119 * SECOND
    here.turn()
    assert here.said == ["a"]
    here.now = began + 120 * SECOND
    here.turn()
    assert sorted(here.said) == ["a", "a", "b"]


def test_what_is_refused_is_given_up_at_once_and_the_others_are_sent(scene: Scenes) -> None:
    here = scene([REFUSED])
    here.write(make_alert("a"), make_alert("b"))
    here.turn()
    assert (here.said, here.counts()) == (["a", "b"], {"dead": 1, "sent": 1})
    assert here.ledger.latest("s", "dead") is not None


def test_after_its_attempts_a_delivery_is_dead_and_does_not_hold_up_the_others(scene: Scenes) -> None:
    here = scene(attempts=3)
    here.sink.failing.add("a")
    here.write(make_alert("a"))
    here.turn()
    here.write(make_alert("b"))
    here.patiently(0.2)
    dead = here.ledger.latest("s", "dead")
    assert dead is not None
    assert (dead.key[0], dead.attempts, dead.detail) == ("a", 3, "500 oh")
    assert (here.said.index("b") < 3, here.counts()) == (True, {"dead": 1, "sent": 1})


def test_what_was_given_up_is_sent_again_on_demand_with_all_its_attempts_unless_it_is_old(scene: Scenes) -> None:
    here = scene([REFUSED, REFUSED, failed()], attempts=2)
    here.write(make_alert("a"))
    here.turn()
    here.now += 50 * MINUTE
    here.write(make_alert("b"))
    here.turn()
    assert (here.counts(), here.ledger.retry("s", here.now)) == ({"dead": 2}, 2)
    here.now += 15 * MINUTE
    here.patiently(0.1)
    assert (here.said, here.counts()) == (["a", "b", "b", "b"], {"old": 1, "sent": 1})
    assert here.ledger.retry("s", here.now) == 0


def test_no_more_than_its_share_is_sent_in_any_minute(scene: Scenes) -> None:
    here = scene(max_per_minute=3)
    here.write(*(make_alert(f"{n:02}") for n in range(10)))
    arrivals: list[datetime] = []
    for _ in range(300):
        before = len(here.said)
        here.turn()
        arrivals += [here.now] * (len(here.said) - before)
        here.now += SECOND
    assert len(arrivals) == 10
    assert all(b - a >= MINUTE for a, b in zip(arrivals, arrivals[3:], strict=False))


def test_a_clock_that_was_set_back_holds_up_nothing_for_longer_than_an_hour(scene: Scenes) -> None:
    here = scene([failed(1800)], max_age=24 * HOUR)
    here.write(make_alert("a"))
    here.turn()
    here.now -= 10 * HOUR
    here.turn()
    assert here.said == ["a", "a"]
    assert timedelta(hours=1) == LONGEST


def test_what_nobody_foresaw_is_logged_and_the_courier_goes_on(
    scene: Scenes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coattail.notify.courier._AFTER_TROUBLE", 0.0)
    here, ended = scene(["killed before"]), threading.Event()
    here.write(make_alert("a"))
    thread = threading.Thread(target=here.courier.run, args=(ended,), kwargs={"last": 1})
    thread.start()
    end = time.monotonic() + 20
    while not here.said and time.monotonic() < end:
        here.now += 10 * SECOND
        time.sleep(0.01)
    ended.set()
    thread.join()
    assert here.said == ["a"]
    assert "Killed" in caplog.text


# -- any interleaving of kills ---------------------------------------------------------------------------------------


class MortalLedger:
    """A ledger whose process dies before, or after, the n-th call from now."""

    def __init__(self, ledger: DeliveryLedger, dies: list[int]) -> None:
        self._ledger, self._dies, self._calls = ledger, dies, 0

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._ledger, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._calls += 1
            if self._dies and self._dies[0] == self._calls * 2:
                self._dies.pop(0)
                raise Killed
            answer = inner(*arguments, **named)
            if self._dies and self._dies[0] == self._calls * 2 + 1:
                self._dies.pop(0)
                raise Killed
            return answer

        return call


ANSWERS = st.sampled_from([DELIVERED, failed(), failed(3), "killed before", "killed after"])


@given(
    answers=st.lists(ANSWERS, max_size=12),
    dies=st.lists(st.integers(2, 25), max_size=6),
    writes=st.lists(st.lists(st.sampled_from("abcd"), max_size=3, unique=True), min_size=1, max_size=6),
    pauses=st.lists(st.integers(0, 90), min_size=6, max_size=6),
)
@settings(deadline=None, max_examples=200)
def test_whatever_is_killed_when_nothing_is_lost_and_a_kill_costs_one_repetition_at_most(
    answers: list[Any], dies: list[int], writes: list[list[str]], pauses: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sink = ScriptedSink(name="s", answers=list(answers), attempts=40, max_per_minute=1000)
        here = Scene(Path(folder), sink)
        kills, revisions = 0, Counter[str]()
        alive = False
        for letters, pause in zip(writes, pauses, strict=False):
            revisions.update(letters)
            here.write(*(make_alert(name, revision=revisions[name]) for name in letters))
            try:
                if not alive:
                    here.start(MortalLedger(here.ledger, dies))
                alive = True
                here.turn()
            except Killed:
                kills, alive = kills + 1, False
            here.now += timedelta(seconds=pause)
        sink.answers[:] = [a for a in sink.answers if isinstance(a, Receipt)]
        failures = sum(a.outcome == "failed" for a in answers if isinstance(a, Receipt))
        here.start()
        here.patiently(0.6)
        here.ledger.close()
        here.replies.close()
    told = Counter(m.key[0] for m in sink.arrived)
    assert set(told) == set(revisions)
    assert {m.key for m in sink.arrived} == {name * 32 for name in revisions}
    assert told.total() - len(told) <= kills + failures
