"""Training runs, each handed to Ray.

Inputs: the prepared corpus and the variant's check, for a run that is to be trained; a finished one has none, for it is
redone when its digests change, not when a file is written anew.
Outputs: results/NAME/CORPUS/PRIOR/SEED/{model.pt, history.parquet, run.json}. The resume state in state/ beside them
is not declared, so that it outlives a failed job.
"""


rule train:
    """Train one variant on one corpus with one seed, or go on where it was cut off."""
    input:
        data=FLOW.unless_trained(rules.prepare.output),
        check=FLOW.unless_trained(rules.check.output),
        database=FLOW.unless_trained(rules.database.output),
    output:
        model=f"{RUN}/model.pt",
        history=f"{RUN}/history.parquet",
        run=f"{RUN}/run.json",
    log:
        f"logs/{NAME}/{{corpus}}/{{prior}}/{{seed}}.train.log",
    benchmark:
        f"benchmarks/{NAME}/{{corpus}}/{{prior}}/{{seed}}.train.tsv"
    threads: lambda wildcards: FLOW.spec(wildcards).resources.cpus
    params:
        lnf=LNF,
        name=NAME,
        digests=FLOW.digests_text,
        spec=untracked(FLOW.spec_text),
        differs=untracked(FLOW.differs_text),
        out=subpath(output.run, parent=True),
    shell:
        "{params.lnf} train {params.spec:q} --data data/{wildcards.corpus} --out {params.out} --name {params.name}"
        " --digests {params.digests:q} --differs {params.differs:q} --ray 2>&1 | tee -i {log}"
