"""All runs' metrics in one file, and what people look at: tables, figures, samples, the report.

Outputs: results/NAME/metrics/DIGEST/metrics.parquet; results/NAME/{tables, figures, samples, page}/DIGEST/*, which are
copied to reports/out/NAME; reports/out/NAME/published-DIGEST.json says of which, and is gone when others are shown.
"""


rule gather:
    """Put every run's metrics into one tidy file; a file that belongs to another run is refused."""
    input:
        needs("gather", "prepare", "train", "evaluate"),
    output:
        update(FLOW.output("gather")),
    log:
        FLOW.log("gather"),
    benchmark:
        FLOW.benchmark("gather")
    params:
        lnf=LNF,
        spec=FLOW.spec("gather"),
    shell:
        "{params.lnf} gather {params.spec:q} > {log:q} 2>&1"


rule tables:
    """The paper's tables, each cell next to the published value."""
    input:
        needs("tables", "gather"),
    output:
        update(FLOW.output("tables")),
    log:
        FLOW.log("tables"),
    benchmark:
        FLOW.benchmark("tables")
    params:
        lnf=LNF,
        spec=FLOW.spec("tables"),
    shell:
        "{params.lnf} tables {params.spec:q} > {log:q} 2>&1"


rule figures:
    """Results next to the published ones, training curves, where the nats go, the studies."""
    input:
        needs("figures", "gather", "train", *FLOW.studies),
    output:
        [
            (
                report(update(file), caption=FLOW.caption(file), category="Figures")
                if file.endswith(".png")
                else update(file)
            )
            for file in FLOW.output("figures")
        ],
    log:
        FLOW.log("figures"),
    benchmark:
        FLOW.benchmark("figures")
    params:
        lnf=LNF,
        spec=FLOW.spec("figures"),
    shell:
        "{params.lnf} figures {params.spec:q} > {log:q} 2>&1"


rule samples:
    """What the models draw, as text, MIDI, pictures and audio, next to the nearest training sequences."""
    input:
        needs("samples", "prepare", "evaluate"),
    output:
        update(FLOW.output("samples")),
    log:
        FLOW.log("samples"),
    benchmark:
        FLOW.benchmark("samples")
    params:
        lnf=LNF,
        spec=FLOW.spec("samples"),
    shell:
        "{params.lnf} samples {params.spec:q} > {log:q} 2>&1"


rule page:
    """One page that shows everything, and opens without a network."""
    input:
        needs("page", "gather", "tables", "figures", "samples"),
    output:
        report(update(FLOW.output("page")[0]), category="Report"),
        update(FLOW.output("page")[1:]),
    log:
        FLOW.log("page"),
    benchmark:
        FLOW.benchmark("page")
    params:
        lnf=LNF,
        spec=FLOW.spec("page"),
    shell:
        "{params.lnf} page {params.spec:q} > {log:q} 2>&1"


rule publish:
    """Copy the tables, figures, samples and the page to where people look."""
    input:
        needs("publish", "tables", "figures", "samples", "page"),
    output:
        update(FLOW.output("publish")),
    log:
        FLOW.log("publish"),
    benchmark:
        FLOW.benchmark("publish")
    params:
        lnf=LNF,
        spec=FLOW.spec("publish"),
    shell:
        "{params.lnf} publish {params.spec:q} > {log:q} 2>&1"
