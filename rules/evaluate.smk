"""Evaluation of trained models.

Inputs: the run's outputs and the prepared corpus.
Outputs: results/NAME/CORPUS/PRIOR/SEED/DIGEST/{evaluation,sequences,samples}-DIGEST.parquet.
"""


rule evaluate:
    """Likelihood, its bounds and their terms on valid and test; samples and reconstructions."""
    input:
        needs("evaluate", "prepare", "train"),
    output:
        update(FLOW.output("evaluate")),
    log:
        FLOW.log("evaluate"),
    benchmark:
        FLOW.benchmark("evaluate")
    threads: FLOW.cpus("evaluate")
    resources:
        **FLOW.resources("evaluate"),
    params:
        spec=FLOW.spec("evaluate"),
    shell:
        FLOW.command("evaluate")
