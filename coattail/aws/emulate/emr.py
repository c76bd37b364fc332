"""EMR Serverless of the emulation: a job runs its entry point from the emulated bucket, or the same job of coattail
that is installed here, on a home of its own; its log goes where EMR puts it.
"""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from coattail.aws.emulate import KEY, REGION
from coattail.home import Home
from coattail.jobs.emr_model import EmrModel
from coattail.jobs.emulated_logs import log_key
from coattail.service_client import SIGNED, connect


class EmulatedJobs:
    """What runs jobs, and the homes that they run on; a context manager. endpoint: Where the other services are."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._folder = Path(tempfile.mkdtemp(prefix="coattail-emulated-homes-"))
        self.model = EmrModel(self._program, ended=self._keep_log)

    def close(self) -> None:
        """End the jobs, and remove their homes."""
        self.model.close()
        shutil.rmtree(self._folder)

    def _program(self, asked: Mapping[str, Any]) -> list[str]:
        """The words that run what is asked; the arguments of the entry point come after them."""
        source = asked["jobDriver"]["sparkSubmit"]["entryPoint"]
        home = Path(tempfile.mkdtemp(dir=self._folder))
        if (content := self._object(source)) is not None:
            script = home / Path(urlsplit(source).path).name
            script.write_bytes(content)
            return [sys.executable, str(script)]
        Home.open(home / "home", create=True)
        return [sys.executable, "-m", "coattail.workspace.at_work", str(home / "home"), "run"]

    def _object(self, location: str) -> bytes | None:
        """What is in the bucket; None if nothing is there."""
        client = self._s3()
        try:
            content: bytes = client.get_object(**_place(location))["Body"].read()
            return content
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
                return None
            raise
        finally:
            client.close()

    def _keep_log(self, asked: Mapping[str, Any], identity: str, attempt: int, log: Path) -> None:
        """Put the log where EMR Serverless does; without a bucket there is none."""
        monitoring = asked.get("configurationOverrides", {}).get("monitoringConfiguration", {})
        place = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
        if place is None:
            return
        where = f"s3://{log_key(place, asked['applicationId'], identity, 1)}.gz"
        client = self._s3()
        try:
            client.put_object(**_place(where), Body=gzip.compress(log.read_bytes()))
        except client.exceptions.NoSuchBucket:
            return  # the job has run nevertheless, as it does on AWS
        finally:
            client.close()

    def _s3(self) -> Any:
        keys = dict(zip(SIGNED, (KEY, KEY, None), strict=True))
        return connect("s3", setting="the emulation", region=REGION, endpoint=self._endpoint, keys=keys, attempts=2)


def _place(location: str) -> dict[str, str]:
    parts = urlsplit(location)
    return {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}
