"""The laws of each variant, before it may train.

Outputs: results/NAME/checks/PRIOR/DIGEST/check.json.
"""


rule check:
    """Hold a variant's mathematics against the laws, on a small instance."""
    output:
        f"results/{NAME}/checks/{{prior}}/{{check}}/check.json",
    log:
        f"logs/{NAME}/checks/{{prior}}/{{check}}.log",
    benchmark:
        f"benchmarks/{NAME}/checks/{{prior}}/{{check}}.tsv"
    params:
        lnf=LNF,
        told=subpath(output[0], parent=True),
    shell:
        "{params.lnf} check {params.told:q}/spec.json 2>&1 | tee -i {log:q}"
