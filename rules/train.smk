"""Training runs, each handed to Ray.

Inputs: the prepared corpus and the variant's check, for a run that is yet to be trained.
Outputs: results/NAME/CORPUS/PRIOR/SEED/DIGEST/{model.pt, history.parquet, run.json}. The resume state in state/ beside
them is not declared, so that it outlives a failed job.
"""

TRAINED = [f"{RUN}/model.pt", f"{RUN}/history.parquet", f"{RUN}/run.json"]


rule train:
    """Train one variant on one corpus with one seed, or go on where it was cut off."""
    input:
        data=until_made(TRAINED, FLOW.corpus_of_run),
        check=until_made(TRAINED, FLOW.check_of_run),
    output:
        model=TRAINED[0],
        history=TRAINED[1],
        run=TRAINED[2],
    log:
        f"logs/{LOGGED}.train.log",
    benchmark:
        f"benchmarks/{LOGGED}.train.tsv"
    threads: FLOW.cpus
    params:
        lnf=LNF,
        folder=subpath(output.run, parent=True),
    shell:
        "{params.lnf} train {params.folder:q}/spec.json --ray 2>&1 | tee -i {log:q}"
