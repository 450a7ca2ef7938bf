"""The paper from raw files to tables. config.yaml says what; lnf does the work; the rules say what depends on what."""

from snakemake.utils import min_version

from lnf.app.workflow import LNF, begin
from lnf.plan.rule_files import declare as prior
from lnf.plan.stages import STAGES

min_version("9.0")


# Not needed: a plain virtual environment is enough. It serves those who run with --software-deployment-method apptainer.
container: "docker://python:3.11"


configfile: f"{workflow.basedir}/config.yaml"


FLOW = begin(config, workflow.basedir)


def needs(stage, *of):
    """An input function: what a job of a stage reads of other stages. Dates do not count, for names say what a file was
    made of; only what is made again in this workflow (--forcerun, --forceall) has all that reads it made again.
    """

    def inputs(wildcards):
        settings = workflow.dag_settings
        forced = STAGES if settings.forceall else settings.forcerun
        found = FLOW.inputs(stage, wildcards, of, forced)
        return [file if again else ancient(file) for file, again in found.items()]

    return inputs


wildcard_constraints:
    **FLOW.patterns,


onstart:
    FLOW.write_specs()
    FLOW.mirror()


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
