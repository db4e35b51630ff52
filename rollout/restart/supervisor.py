"""`restart.supervisor`: programs or groups, their processes one after another, proved on the node.

A supervisor that is named by its configuration is controlled by the owner of that file, where sudo allows it.
"""

from __future__ import annotations

from rollout.agents.supervisor import Options, main
from rollout.inventory.restart import Supervisor
from rollout.inventory.template import Fill
from rollout.remote.agent import file_owner
from rollout.restart import driver
from rollout.restart.driver import RestartPlan, by_agent


def plan_restart(settings: Supervisor | str, timeout: float, fill: Fill) -> RestartPlan:
    if isinstance(settings, str):
        settings = Supervisor.model_construct(program=settings)
    configuration = settings.configuration and fill(settings.configuration)
    options = Options(
        programs=fill(settings.program).split(),
        supervisorctl=fill(settings.supervisorctl),
        configuration=configuration,
        steady=driver.STEADY,
        timeout=timeout,
    )
    return by_agent(
        main,
        options,
        acting_for=file_owner(configuration) if configuration else None,
        shown=f"supervisorctl restart {' '.join(options.programs)}, one process after another",
    )
