"""The laws of each variant, before it may train.

Outputs: results/NAME/checks/PRIOR/DIGEST/check.json.
"""


rule check:
    """Hold a variant's mathematics against the laws, on a small instance."""
    output:
        update(FLOW.output("check")),
    log:
        FLOW.log("check"),
    benchmark:
        FLOW.benchmark("check")
    params:
        spec=FLOW.spec("check"),
    shell:
        FLOW.command("check")
