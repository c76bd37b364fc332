"""How an environment is doing, whether all of it is there or only some."""

from __future__ import annotations

from datetime import datetime

import msgspec

from coattail.aws.operate.account import Services
from coattail.aws.operate.billed import BilledDocument, billed, hourly_dollars
from coattail.aws.operate.environment import Environment, folder_of
from coattail.aws.operate.states import bucket_exists, states_in
from coattail.aws.operate.waiting import WaitingDocument, waiting
from coattail.config import Settings, load_settings
from coattail.errors import CoattailError
from coattail.home import Home
from coattail.jobs.opening import application_at
from coattail.place import read_place
from coattail.workspace.text import clock, pairs

STARTED = "started.json"


class StartedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The last start of an environment, as the home remembers it."""

    at: datetime
    bundle: str | None
    """What jobs run from; None: what is installed, on an emulation."""
    job: str | None
    """The id of the job that lands the stream; None: none was submitted."""


class StandingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An environment at the moment. What nobody knows is null, and `unknown` says why."""

    environment: Environment
    emulated: bool
    place: str
    state: str | None
    """absent: no bucket; bootstrapped: it has no state yet; made: something was applied."""
    parameters: int | None
    """How many settings the place has; 0: nothing is made, or somebody removed them."""
    streaming: bool | None
    """Whether the stream is there."""
    billed: BilledDocument
    hourly: float | None
    """Dollars an hour now, of what is billed by the hour, by list prices; null where a service does not answer."""
    waiting: WaitingDocument | None
    """None, too, while there is no stream."""
    last_start: StartedDocument | None
    unknown: dict[str, str]
    """Part -> why it is not known."""

    def __str__(self) -> str:
        started = self.last_start
        rows = [
            ("environment", self.environment.words()),
            ("place", self.place),
            ("state", _or_why(self.state, self.unknown.get("state"))),
            ("services", _or_why(None if self.parameters is None else _services(self.parameters),
                                 self.unknown.get("services"))),
            ("streaming", _or_why(None if self.streaming is None else ("no", "yes")[self.streaming],
                                  self.unknown.get("streaming"))),
            ("waiting", _or_why(_waits(self.waiting, self.unknown), self.unknown.get("waiting"))),
            ("costs now", self._price()),
            ("last start", "never, from this home" if started is None else clock(started.at)),
        ]  # fmt: skip
        return f"{pairs(rows, width=13)}\n{self.billed}"

    def _price(self) -> str:
        if self.emulated:
            return "nothing: local emulation"
        if self.hourly is None:
            return "unknown: not every service answers"
        return f"about ${self.hourly:.2f} an hour by list prices, and what is used"


def _waits(found: WaitingDocument | None, unknown: dict[str, str]) -> str | None:
    if found is not None:
        return str(found)
    return None if "waiting" in unknown else "nothing: there is no stream"


def _or_why(said: str | None, why: str | None) -> str:
    return said if said is not None else f"unknown: {why}"


def _services(parameters: int) -> str:
    return f"made; the place has {parameters} settings" if parameters else "not made: the place has no settings"


def standing(home: Home, environment: Environment) -> StandingDocument:
    """Ask every service how it is; what does not answer is said, and hides nothing else."""
    unknown: dict[str, str] = {}
    with Services(environment) as services:
        hourly = billed(services)
        state = parameters = None
        try:
            state = _state(services)
        except CoattailError as error:
            unknown["state"] = str(error)
        try:
            path = f"/{environment.prefix}/{environment.environment}"
            parameters = len(services.pages("ssm", "get_parameters_by_path", "Parameters", "the parameters", Path=path))
        except CoattailError as error:
            unknown["services"] = str(error)
    streams = next(each for each in hourly.kinds if each.kind == "streams")
    if streams.unknown is not None:
        unknown["streaming"] = streams.unknown
    found = None
    if streams.names and parameters:
        try:
            found = waiting(home, settings_there(home, environment))
        except CoattailError as error:
            unknown["waiting"] = str(error)
    elif streams.names:
        unknown["waiting"] = "the place has no settings to find its tables by"
    return StandingDocument(
        environment=environment, emulated=environment.emulated, place=environment.place, state=state,
        parameters=parameters, streaming=None if streams.unknown else bool(streams.names), billed=hourly,
        hourly=hourly_dollars(hourly, environment),
        waiting=found, last_start=last_start(home, environment), unknown=unknown,
    )  # fmt: skip


def _state(services: Services) -> str:
    if not bucket_exists(services):
        return "absent"
    return "made" if services.environment.key in states_in(services) else "bootstrapped"


def settings_there(home: Home, environment: Environment) -> Settings:
    """The settings of a home in the environment's place. Raises: ConfigError: If the place has none."""
    return load_settings(home, place=read_place(environment.place, home.path))


def bundle_there(home: Home, environment: Environment) -> str | None:
    """The bundle that jobs run from, as the place says it, so that a change of something else leaves it as it is."""
    try:
        url = settings_there(home, environment).jobs.url
    except CoattailError:  # nothing is made yet, or its parameters are gone: then this home may remember
        before = last_start(home, environment)
        return None if before is None else before.bundle
    return None if url is None else application_at(url).bundle


def last_start(home: Home, environment: Environment) -> StartedDocument | None:
    """The last one from this home."""
    file = folder_of(home.path, environment.environment) / STARTED
    return msgspec.json.decode(file.read_bytes(), type=StartedDocument) if file.exists() else None


def remember_start(home: Home, environment: Environment, started: StartedDocument) -> None:
    """Write it down."""
    file = folder_of(home.path, environment.environment) / STARTED
    file.write_bytes(msgspec.json.encode(started))
