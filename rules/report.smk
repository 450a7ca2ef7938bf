"""All runs' metrics in one file, and what people look at: tables, figures, samples, the report.

Outputs: results/NAME/metrics/DIGEST/metrics.parquet; results/NAME/{tables, figures, exhibits, page}/DIGEST/*, which are
copied to reports/out/NAME; reports/out/NAME/published-DIGEST.json says of which, and is gone when others are shown.
"""

for view, inputs in {
    "gather": ["prepare", "train", "evaluate"],
    "tables": ["gather"],
    "exhibits": ["prepare", "evaluate"],
    "publish": ["tables", "figures", "exhibits", "page", "sweep"],
}.items():

    rule:
        name:
            view
        input:
            needs(view, *inputs),
        output:
            update(FLOW.output(view)),
        log:
            FLOW.log(view),
        benchmark:
            FLOW.benchmark(view)
        params:
            spec=FLOW.spec(view),
            stage=view,
        shell:
            FLOW.command("{params.stage}")


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
        spec=FLOW.spec("figures"),
    shell:
        FLOW.command("figures")


rule page:
    """One page that shows everything, and opens without a network."""
    input:
        needs("page", "gather", "tables", "figures", "exhibits"),
    output:
        report(update(FLOW.output("page")[0]), category="Report"),
        update(FLOW.output("page")[1:]),
    log:
        FLOW.log("page"),
    benchmark:
        FLOW.benchmark("page")
    params:
        spec=FLOW.spec("page"),
    shell:
        FLOW.command("page")
