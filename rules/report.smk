"""All runs' metrics in one file, and the paper's tables of them.

Outputs: results/NAME/metrics/DIGEST/metrics.parquet; reports/out/NAME/tables/{text,ablation,music}.{csv,md,tex}, a view
of the plan's metrics: made-DIGEST.json beside them says of which, and is gone when another plan's are shown.
"""

METRICS = [str(FLOW.plan.metrics)]
TABLES = [str(path) for path in FLOW.plan.tables]


rule gather:
    """Put every run's metrics into one tidy file; a file that belongs to another run is refused."""
    input:
        runs=until_made(METRICS, FLOW.runs_results),
        meta=until_made(METRICS, FLOW.corpora_facts),
    output:
        METRICS,
    log:
        f"logs/{NAME}/gather.log",
    benchmark:
        f"benchmarks/{NAME}/gather.tsv"
    params:
        lnf=LNF,
        told=subpath(output[0], parent=True),
    shell:
        "{params.lnf} gather {params.told:q}/spec.json 2>&1 | tee -i {log:q}"


rule tables:
    """The paper's tables, each cell beside the published value."""
    input:
        until_made(TABLES, lambda wildcards: METRICS),
    output:
        TABLES,
    log:
        f"logs/{NAME}/tables.log",
    benchmark:
        f"benchmarks/{NAME}/tables.tsv"
    params:
        lnf=LNF,
        told=str(FLOW.plan.metrics.parent),
    shell:
        "{params.lnf} tables {params.told:q}/spec.json 2>&1 | tee -i {log:q}"
