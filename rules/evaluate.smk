"""Evaluation of trained models, each handed to Ray.

Inputs: the run's outputs and, for a run that is to be evaluated, the prepared corpus.
Outputs: results/NAME/CORPUS/PRIOR/SEED/{evaluation,sequences}.parquet.
"""


rule evaluate:
    """Likelihood, its bounds and their terms on valid and test."""
    input:
        data=FLOW.unless_evaluated(rules.prepare.output),
        model=rules.train.output.model,
        run=rules.train.output.run,
    output:
        evaluation=f"{RUN}/evaluation.parquet",
        sequences=f"{RUN}/sequences.parquet",
    log:
        f"logs/{NAME}/{{corpus}}/{{prior}}/{{seed}}.evaluate.log",
    benchmark:
        f"benchmarks/{NAME}/{{corpus}}/{{prior}}/{{seed}}.evaluate.tsv"
    threads: lambda wildcards: FLOW.spec(wildcards).resources.cpus
    params:
        lnf=LNF,
        name=NAME,
        identity=FLOW.evaluate_identity,
        spec=untracked(FLOW.spec_text),
        run=subpath(input.run, parent=True),
    shell:
        "{params.lnf} evaluate {params.spec:q} --data data/{wildcards.corpus} --run {params.run} --name {params.name}"
        " --identity {params.identity:q} --ray 2>&1 | tee -i {log}"
