"""The laws of each variant, before it may train.

Outputs: results/NAME/checks/PRIOR.json.
"""


rule check:
    """Hold a variant's mathematics against the laws, on a small instance."""
    output:
        f"results/{NAME}/checks/{{prior}}.json",
    log:
        f"logs/{NAME}/checks/{{prior}}.log",
    benchmark:
        f"benchmarks/{NAME}/checks/{{prior}}.tsv"
    params:
        lnf=LNF,
        identity=FLOW.check_identity,
        spec=untracked(FLOW.spec_text),
    shell:
        "{params.lnf} check {params.spec:q} --out {output} 2>&1 | tee -i {log}"
