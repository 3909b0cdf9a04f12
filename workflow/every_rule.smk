"""What holds for every rule, said once, after all stages.

Memory and time grow with the attempt: what a rule names (or `compute.memory_mb`) is for the first, each further one gets as much
again (how many there are is a matter of the profile). The code of a rule's step is one of its parameters, so that an edit reruns the steps that it
touches.
"""

from snakemake.exceptions import WorkflowError
from snakemake.resources import Resources

from neurons.cli import module_of
from neurons.workflow.imports import fingerprint

GROWING = ("mem_mb", "runtime")
MEMORY_OF = CONFIG.compute.memory_mb
if strange := set(MEMORY_OF) - {without_number(rule.name) for rule in workflow.rules}:
    raise WorkflowError(
        f"compute.memory_mb names {', '.join(sorted(strange))}, which is no rule of this study; expected names as"
        " `snakemake --list-rules` prints them, without a number at the end"
    )

for made in workflow.rules:
    first_attempt = {
        name: made.resources[name].raw for name in GROWING if name in made.resources
    }
    if without_number(made.name) in MEMORY_OF:
        first_attempt["mem_mb"] = MEMORY_OF[without_number(made.name)]
    made.resources.update(
        Resources.from_mapping(
            {
                name: growing(value)
                for name, value in first_attempt.items()
                if isinstance(value, int)
            }
        )
    )
    step = re.match(r"python -m neurons (\S+) (\S+)", made.shellcmd or "")
    if workflow.is_main_process and step:
        made.set_params(code=fingerprint(module_of(*step.groups())))
