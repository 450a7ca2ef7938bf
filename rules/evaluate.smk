"""Evaluation of trained models, each handed to Ray.

Inputs: the run's outputs and the prepared corpus, for a run that is yet to be evaluated.
Outputs: results/NAME/CORPUS/PRIOR/SEED/DIGEST/{evaluation,sequences,samples}-DIGEST.parquet.
"""

EVALUATED = [
    f"{RUN}/evaluation-{{evaluation}}.parquet",
    f"{RUN}/sequences-{{evaluation}}.parquet",
    f"{RUN}/samples-{{evaluation}}.parquet",
]


rule evaluate:
    """Likelihood, its bounds and their terms on valid and test; samples and reconstructions."""
    input:
        data=until_made(EVALUATED, FLOW.corpus_of_run),
        run=until_made(EVALUATED, lambda wildcards: FLOW.run(wildcards).trained),
    output:
        evaluation=EVALUATED[0],
        sequences=EVALUATED[1],
        samples=EVALUATED[2],
    log:
        f"logs/{LOGGED}.evaluate-{{evaluation}}.log",
    benchmark:
        f"benchmarks/{LOGGED}.evaluate-{{evaluation}}.tsv"
    threads: FLOW.cpus
    params:
        lnf=LNF,
        folder=subpath(output.evaluation, parent=True),
    shell:
        "{params.lnf} evaluate {params.folder:q}/spec.json --ray 2>&1 | tee -i {log:q}"
