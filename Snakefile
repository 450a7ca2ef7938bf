"""The paper from raw files to tables. config.yaml says what; lnf does the work; the rules say what depends on what."""

from snakemake.utils import min_version

from lnf.app.workflow import begin
from lnf.plan.rule_files import declare as prior
from lnf.plan.stages import STAGES

min_version("9.0")


# Not needed: a plain virtual environment is enough. It serves those who run with --software-deployment-method apptainer.
container: "docker://python:3.11"


configfile: f"{workflow.basedir}/config.yaml"


FLOW = begin(
    config,
    workflow.basedir,
    cores=workflow.resource_settings.cores,
    is_job=not workflow.is_main_process,
)


envvars:
    *FLOW.variables,


localrules:
    all,
    gather,
    tables,
    page,
    publish,


wildcard_constraints:
    **FLOW.patterns,


onstart:
    FLOW.start()


onsuccess:
    FLOW.end()


onerror:
    FLOW.end()


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/check.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/studies.smk"
include: "rules/report.smk"


rule all:
    """Every planned file by its own name: Snakemake does not notice a missing intermediate file."""
    default_target: True
    input:
        FLOW.files,


for declaration in FLOW.declarations:

    include: declaration
