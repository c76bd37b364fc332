"""All experiments, by number."""

from __future__ import annotations

from faults.aws import R8, there_too
from faults.backfills import R25
from faults.bundle import R30
from faults.clocks import R13
from faults.crashes import R2
from faults.damage import R15
from faults.days import R27
from faults.experiment import Experiment
from faults.fuzz import R17
from faults.infra import R31
from faults.jobs import R28
from faults.kills import R1
from faults.kinesis import R7
from faults.lines import R6
from faults.maintenance import R9, R10
from faults.notices import R26
from faults.poison import R11
from faults.roles import R32
from faults.seeds import R3, R4
from faults.silence import R12
from faults.smoke import R33
from faults.soak import R18
from faults.stops import R16
from faults.time_travel import R5
from faults.upgrades import R14

EXPERIMENTS: tuple[Experiment, ...] = (
    there_too(R1),
    there_too(R2),
    R3,
    there_too(R4),
    R5,
    R6,
    R7,
    R8,
    R9,
    there_too(R10),
    R11,
    R12,
    R13,
    R14,
    R15,
    R16,
    R17,
    R18,
    R25,
    R26,
    R27,
    R28,
    R30,
    R31,
    R32,
    R33,
)
