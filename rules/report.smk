"""All runs' metrics in one file, and what people look at: tables, figures, samples, the report.

Outputs: results/NAME/metrics/DIGEST/metrics.parquet; reports/out/NAME/tables/{text,ablation,music}.{csv,md,tex} and
reports/out/NAME/{figures,samples}/* and report.html, views of the plan's metrics: reports/out/NAME/made/VIEW-DIGEST.json says of which,
and is gone when another plan's are shown.
"""

METRICS = [str(FLOW.plan.metrics)]
VIEWS = {
    name: [str(path) for path in view.files] for name, view in FLOW.plan.views.items()
}


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
        until_made(VIEWS["tables"], lambda wildcards: METRICS),
    output:
        VIEWS["tables"],
    log:
        f"logs/{NAME}/tables.log",
    benchmark:
        f"benchmarks/{NAME}/tables.tsv"
    params:
        lnf=LNF,
        told=str(FLOW.plan.metrics.parent),
    shell:
        "{params.lnf} tables {params.told:q}/spec.json 2>&1 | tee -i {log:q}"


rule figures:
    """Results beside the published ones, training curves, where the nats go."""
    input:
        metrics=until_made(VIEWS["figures"], lambda wildcards: METRICS),
        studies=until_made(VIEWS["figures"], FLOW.studies_files),
    output:
        [
            (
                report(path, caption=FLOW.plan.caption(path), category="Figures")
                if path.endswith(".png")
                else path
            )
            for path in VIEWS["figures"]
        ],
    log:
        f"logs/{NAME}/figures.log",
    benchmark:
        f"benchmarks/{NAME}/figures.tsv"
    params:
        lnf=LNF,
        told=str(FLOW.plan.metrics.parent),
    shell:
        "{params.lnf} figures {params.told:q}/spec.json 2>&1 | tee -i {log:q}"


rule samples:
    """What the models draw, as text, MIDI, pictures and audio, beside the nearest training sequences."""
    input:
        metrics=until_made(VIEWS["samples"], lambda wildcards: METRICS),
        samples=until_made(VIEWS["samples"], FLOW.runs_samples),
        data=until_made(VIEWS["samples"], FLOW.corpora_prepared),
    output:
        VIEWS["samples"],
    log:
        f"logs/{NAME}/samples.log",
    benchmark:
        f"benchmarks/{NAME}/samples.tsv"
    params:
        lnf=LNF,
        told=str(FLOW.plan.metrics.parent),
    shell:
        "{params.lnf} samples {params.told:q}/spec.json 2>&1 | tee -i {log:q}"


rule page:
    """One page that shows it all, and opens without a network."""
    input:
        until_made(
            VIEWS["page"],
            lambda wildcards: [
                *METRICS,
                *(VIEWS[view][-1] for view in ("tables", "figures", "samples")),
            ],
        ),
    output:
        report(VIEWS["page"][0], category="Report"),
        VIEWS["page"][1:],
    log:
        f"logs/{NAME}/page.log",
    benchmark:
        f"benchmarks/{NAME}/page.tsv"
    params:
        lnf=LNF,
        told=str(FLOW.plan.metrics.parent),
    shell:
        "{params.lnf} page {params.told:q}/spec.json 2>&1 | tee -i {log:q}"
