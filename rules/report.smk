"""All runs' metrics in one file, and the paper's tables of them.

Outputs: results/NAME/metrics.parquet; reports/out/NAME/tables/{text,ablation,music}.{csv,md,tex}.
"""


rule gather:
    """Put every run's metrics into one tidy file; a result of another spec or other data is refused."""
    input:
        runs=FLOW.of_runs("run.json", "evaluation.parquet"),
        meta=expand("data/{corpus}/meta.json", corpus=FLOW.unprepared),
    output:
        f"results/{NAME}/metrics.parquet",
    log:
        f"logs/{NAME}/gather.log",
    benchmark:
        f"benchmarks/{NAME}/gather.tsv"
    params:
        lnf=LNF,
        identity=FLOW.gather_identity,
        config=untracked(FLOW.config_text),
    shell:
        "{params.lnf} gather --config {params.config:q} --out {output} 2>&1 | tee -i {log}"


rule tables:
    """The paper's tables, each cell beside the published value."""
    input:
        metrics=rules.gather.output,
        published=f"{workflow.basedir}/reports/paper.csv",
    output:
        expand(
            f"reports/out/{NAME}/tables/{{table}}.{{form}}",
            table=["text", "ablation", "music"],
            form=["csv", "md", "tex"],
        ),
    log:
        f"logs/{NAME}/tables.log",
    benchmark:
        f"benchmarks/{NAME}/tables.tsv"
    params:
        lnf=LNF,
        identity=FLOW.tables_identity,
        options=FLOW.tables_options,
        out=subpath(output[0], parent=True),
    shell:
        "{params.lnf} tables --metrics {input.metrics} --published {input.published} --options {params.options:q}"
        " --out {params.out} 2>&1 | tee -i {log}"
