"""The paper from raw files to tables. config.yaml says what; lnf does the work; the rules say what depends on what."""

import sys

from snakemake.utils import min_version

from lnf.plan.rule_files import declare as prior
from lnf.app.workflow import begin, untracked

min_version("9.0")


# Not needed: a plain virtual environment is enough. It serves those who run with --software-deployment-method apptainer.
container: "docker://python:3.11"


configfile: f"{workflow.basedir}/config.yaml"


FLOW = begin(config, workflow.basedir, lambda: workflow.rerun_triggers)
NAME = FLOW.name
RUN = f"results/{NAME}/{{corpus}}/{{prior}}/{{seed}}"
LNF = untracked(lambda wildcards: f"{sys.executable} -m lnf")


wildcard_constraints:
    corpus="|".join(FLOW.corpora),
    prior="|".join(FLOW.priors),
    seed=r"\d+",


include: "rules/data.smk"
include: "rules/check.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"


rule all:
    """Every run and every table. The runs are named too: tables may stand that `lnf tables` made of fewer."""
    default_target: True
    input:
        rules.tables.output,
        rules.gather.output,
        rules.gather.input.runs,


for declaration in FLOW.declarations:

    include: declaration
