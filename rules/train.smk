"""Training runs.

Inputs: the prepared corpus and the variant's check.
Outputs: results/NAME/CORPUS/PRIOR/SEED/DIGEST/{model.pt, history.parquet, run.json}. The resume state in state/ next to
them is not declared, so that a failed job keeps it.
"""


rule train:
    """Train one variant on one corpus with one seed, or go on where it was cut off."""
    input:
        needs("train", "prepare", "check"),
    output:
        update(FLOW.output("train")),
    log:
        FLOW.log("train"),
    benchmark:
        FLOW.benchmark("train")
    threads: FLOW.cpus("train")
    resources:
        **FLOW.resources("train"),
    params:
        spec=FLOW.spec("train"),
    shell:
        FLOW.command("train")
