"""The paper from raw files to tables. config.yaml says what; lnf does the work; the rules say what depends on what."""

from snakemake.utils import min_version

from lnf.app.workflow import LNF, begin, until_made
from lnf.plan.rule_files import declare as prior

min_version("9.0")


# Not needed: a plain virtual environment is enough. It serves those who run with --software-deployment-method apptainer.
container: "docker://python:3.11"


configfile: f"{workflow.basedir}/config.yaml"


FLOW = begin(config, workflow.basedir)
NAME = FLOW.name
RUN = f"results/{NAME}/{{corpus}}/{{prior}}/{{seed}}/{{run}}"
LOGGED = f"{NAME}/{{corpus}}/{{prior}}/{{seed}}/{{run}}"


wildcard_constraints:
    **FLOW.patterns,


onstart:
    FLOW.tell()
    FLOW.mirror()


include: "rules/data.smk"
include: "rules/check.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/studies.smk"
include: "rules/report.smk"


rule all:
    """Every file of the plan by its own name: what is asked for only through another would not be missed."""
    default_target: True
    input:
        FLOW.files,


for declaration in FLOW.declarations:

    include: declaration
