"""An order as StartJobRun of EMR Serverless takes it: pure, and checked by AWS' own description of the service."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from coattail.errors import ConfigError, UsageError
from coattail.jobs.base import HourlyPrice, JobCost, JobOrder
from coattail.prices import PriceTable, known_regions, list_prices
from coattail.service_client import SIGNED
from coattail.service_url import is_loopback
from coattail.tiers import Workers, workers_of

FAILED_ATTEMPTS_AN_HOUR = 5
"""Of a streaming job before it is given up; the service's own default, said so that it is seen. 1 to 10.

Source: docs.aws.amazon.com, EMR Serverless, job resiliency."""

_FOLLOWS_THE_STREAM = "stream"
"""The job that reads the stream, and needs to be where that is."""

_BATCH_MINUTES = 12 * 60
"""After which a batch job is ended; the service's default. A streaming job may go on for ever (0)."""

_HEAP_GB = 1
"""Of the JVM; the rest is Python's, where trades are landed."""

ARCHITECTURES = ("arm64", "x86_64")

_BUNDLE = re.compile(rf"deps-[0-9a-f]{{16}}-({'|'.join(ARCHITECTURES)})\.tar\.gz")


def bundle_name(digest: str, architecture: str) -> str:
    """What a bundle of this content is called; `coattail.aws.bundle` makes it.

    digest: Its SHA-256, in hexadecimal digits.
    """
    return f"deps-{digest[:16]}-{architecture}.tar.gz"


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application of EMR Serverless, and what its jobs need."""

    application: str
    """Its id."""
    batch: str | None = None
    """Another one, for jobs that do not follow the stream: where only a VPC leads to that, they can do without. None:
    all jobs run on the same."""
    role: str
    """ARN of the role that a job runs as."""
    artifacts: str
    """`s3://BUCKET/PREFIX`: entry points in `jobs/`, bundles, logs in `logs/`, reports in `reports/`."""
    bundle: str | None = None
    """Which of the bundles there a job runs, by the name of its content, so that an order says exactly what is run;
    None: nothing can be submitted, but to a local emulation, which runs what is installed here."""
    region: str | None = None
    """None: that of AWS' own configuration."""
    endpoint: str | None = None
    """Another service than AWS, like the emulation on this machine."""
    architecture: str = "arm64"
    """Of its workers: for the price, and the bundle must be of it."""
    tier: str = "small"
    """How many workers, and how large: as conf/tiers/TIER.yaml says."""

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ConfigError(
                f"jobs.url: there is no architecture {self.architecture!r}",
                next_step=f"choose {' or '.join(ARCHITECTURES)}",
            )
        if not re.fullmatch(r"s3://[a-z0-9.-]{3,63}(/.*)?", self.artifacts):
            raise ConfigError(
                f"jobs.url: artifacts {self.artifacts!r} is not a place in S3", next_step="write s3://BUCKET/PREFIX"
            )
        if self.bundle is not None:
            named = _BUNDLE.fullmatch(self.bundle)
            if named is None:
                raise ConfigError(
                    f"jobs.url: bundle {self.bundle!r} is not the name of one",
                    next_step="write bundle=deps-…-arm64.tar.gz, as `coattail aws bundle --upload` says it",
                )
            if named[1] != self.architecture:
                raise ConfigError(
                    f"jobs.url: the bundle {self.bundle} is for {named[1]}, and the workers are {self.architecture}",
                    next_step=f"write architecture={named[1]} if they are; else name a bundle for {self.architecture}",
                )
        if self.endpoint is not None and urlsplit(self.endpoint).scheme not in ("http", "https"):
            raise ConfigError(
                f"jobs.url: the endpoint {self.endpoint!r} is not an address", next_step="write http://127.0.0.1:4566"
            )

    @property
    def applications(self) -> tuple[str, ...]:
        """Wherever a job of this place may be."""
        return (self.application,) if self.batch in (None, self.application) else (self.application, self.batch)

    def application_of(self, job: str) -> str:
        """Where a job of this name runs."""
        return self.application if job == _FOLLOWS_THE_STREAM or self.batch is None else self.batch

    @property
    def emulated(self) -> bool:
        """Whether it is on this machine, and not AWS."""
        return is_loopback(self.endpoint)

    @property
    def keys(self) -> dict[str, str]:
        """What its calls are signed with; nothing: what AWS' own chain finds."""
        return dict.fromkeys(SIGNED[:2], "emulated") if self.emulated else {}

    @property
    def workers(self) -> Workers:
        """Driver and executors of a job."""
        return workers_of(self.tier)

    def path(self, name: str) -> str:
        """Where an artifact is."""
        return f"{self.artifacts.rstrip('/')}/{name}"

    def url(self, name: str = "") -> str:
        """The address of a folder there, as `coattail.jobs.artifacts.Artifacts` takes it."""
        asked = {"region": self.region, "endpoint": self.endpoint}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return "?".join(part for part in (self.path(name).rstrip("/"), query) if part)

    def hourly(self) -> HourlyPrice:
        """What a job of this size costs while it runs."""
        vcpu, memory = self.workers.vcpus, self.workers.memory_gbs
        size = f"{vcpu} vCPU and {memory} GB"
        return HourlyPrice(dollars=self._dollars(vcpu, memory), priced=f"{size} {self._list}")

    def cost(self, seconds: float, used: Mapping[str, float], *, billed: bool) -> JobCost:
        """What a job cost, by what it has used, or the service has billed: vCPUHour, memoryGBHour, storageGBHour."""
        vcpu, memory = used.get("vCPUHour", 0.0), used.get("memoryGBHour", 0.0)
        storage = used.get("storageGBHour", 0.0)
        return JobCost(
            seconds=seconds, billed=billed, vcpu_hours=vcpu, memory_gb_hours=memory, storage_gb_hours=storage,
            dollars=round(self._dollars(vcpu, memory, storage), 6), priced=self._list,
        )  # fmt: skip

    def _dollars(self, vcpu: float, memory: float, storage: float = 0.0) -> float:
        billed = {f"emr_vcpu_hour_{self.architecture}": vcpu, f"emr_gb_hour_{self.architecture}": memory,
                  "emr_storage_gb_hour": storage}  # fmt: skip
        return sum(amount * self.prices[name].each for name, amount in billed.items())

    @property
    def prices(self) -> PriceTable:
        """Of its region; of the first that is known, which `priced` names, where its own are not."""
        known = known_regions()
        return list_prices(self.region if self.region in known else known[0])

    @property
    def _list(self) -> str:
        said = f"{self.architecture} at {self.prices.said}"
        return f"{said}; local emulation: nobody bills it" if self.emulated else said


def start_request(order: JobOrder, on: Application) -> dict[str, Any]:
    """The arguments of StartJobRun; a job that does not end by itself is a streaming one.

    A report goes to `reports/` of the artifacts, unless the order says where.

    Raises: UsageError: If the order is about what only this machine has, or needs what no bundle has; if none is named.
    """
    if on.bundle is None and not on.emulated:
        raise UsageError(
            "jobs.url names no bundle for a job to run from",
            next_step="make one with `coattail aws bundle --upload`, and add the &bundle=… that it says",
        )
    for name in ("config_file", "place"):
        if isinstance(where := order.settings.get(name), str):
            raise UsageError(f"{where} is known on this machine only", next_step="write out what it says")
    into = order.options.get("into") or ""
    if order.options.get("share") or (into and not into.startswith("branch:")):
        what, here = ("share", "report day --share") if "share" in order.options else ("into", "reprocess --into NAME")
        raise UsageError(
            f"{what} needs packages that the bundle leaves out",
            next_step=f"leave it out, or work on this machine: coattail {here}",
        )
    kept = {"out": on.url("reports")} if order.job == "daily" and not on.emulated else {}
    asked = {"options": {**kept, **order.options}, "settings": order.settings}
    rules: dict[str, Any] = {"mode": "BATCH", "executionTimeoutMinutes": _BATCH_MINUTES}
    if not order.ends:
        rules = {
            "mode": "STREAMING",
            "executionTimeoutMinutes": 0,
            "retryPolicy": {"maxFailedAttemptsPerHour": FAILED_ATTEMPTS_AN_HOUR},
        }
    return {
        "applicationId": on.application_of(order.job),
        "clientToken": order.token,
        "name": f"coattail-{order.job}",
        "executionRoleArn": on.role,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": on.path(f"jobs/{order.job}.py"),
                "entryPointArguments": [order.job, msgspec.json.encode(asked).decode()],
                "sparkSubmitParameters": " ".join(f"--conf {name}={value}" for name, value in _conf(on).items()),
            }
        },
        "configurationOverrides": {
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": on.path("logs/")}}
        },
        "tags": {"coattail": order.job},
        **rules,
    }


def _conf(on: Application) -> dict[str, object]:
    """What Spark is told: how large its workers are, and where their Python packages come from."""
    overhead = f"{on.workers.memory_gb - _HEAP_GB}g"
    return {
        "spark.driver.cores": on.workers.vcpu,
        "spark.driver.memory": f"{_HEAP_GB}g",
        "spark.driver.memoryOverhead": overhead,
        "spark.executor.cores": on.workers.vcpu,
        "spark.executor.memory": f"{_HEAP_GB}g",
        "spark.executor.memoryOverhead": overhead,
        "spark.executor.instances": on.workers.count - 1,
        "spark.dynamicAllocation.enabled": "false",
        **(bundle_conf(on.path(on.bundle)) if on.bundle is not None else {}),
    }


def bundle_conf(location: str) -> dict[str, str]:
    """What Spark is told, so that its Pythons run from a bundle there: unpacked as `deps` where each begins."""
    return {
        "spark.archives": f"{location}#deps",
        "spark.emr-serverless.driverEnv.PYTHONPATH": "./deps",
        "spark.executorEnv.PYTHONPATH": "./deps",
        "spark.executorEnv.POLARS_MAX_THREADS": "1",  # a task has one core
        "spark.python.daemon.module": "coattail.spark.worker",
    }


def refuse_invalid(operation: str, arguments: Mapping[str, Any]) -> None:
    """Hold arguments against botocore's description of EMR Serverless: types, what is required, lengths, patterns and
    words. Needs neither credentials nor a network.

    Raises: UsageError: With every complaint.
    """
    import botocore.session
    from botocore.validate import ParamValidator

    shape = botocore.session.Session().get_service_model("emr-serverless").operation_model(operation).input_shape
    report = ParamValidator().validate(arguments, shape)
    wrong = [report.generate_report()] if report.has_errors() else list(_misfits(arguments, shape, operation))
    if wrong:
        raise UsageError(f"EMR Serverless would refuse it: {'; '.join(wrong)}", next_step="correct jobs.url")


def _misfits(value: Any, shape: Any, where: str) -> Iterator[str]:
    """What botocore leaves to the service to refuse."""
    about = shape.metadata
    if shape.type_name == "structure":
        for name, inner in value.items():
            yield from _misfits(inner, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            yield from _misfits(inner, shape.member, where)
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from _misfits(name, shape.key, where)
            yield from _misfits(inner, shape.value, f"{where}.{name}")
    elif shape.type_name == "string":
        if len(value) > about.get("max", len(value)) or len(value) < about.get("min", 0):
            yield f"{where} has {len(value):,} characters, and may have {about.get('min', 0)} to {about.get('max')}"
        elif "enum" in about and value not in about["enum"]:
            yield f"{where} = {value!r} is none of {', '.join(about['enum'])}"
        elif "pattern" in about and not re.fullmatch(about["pattern"], value, re.DOTALL):
            yield f"{where} = {value!r} does not look like {about['pattern']}"
    elif isinstance(value, int) and not about.get("min", value) <= value <= about.get("max", value):
        yield f"{where} = {value} is not from {about.get('min')} to {about.get('max')}"
