"""Raw files to prepared corpora.

Outputs: data/CORPUS/DIGEST/{train,valid,test}.arrow and meta.json, always the whole corpus, shared by all
configurations.
"""


rule prepare:
    """Check the raw files of a corpus, read them, and write its splits."""
    output:
        train="data/{corpus}/{data}/train.arrow",
        valid="data/{corpus}/{data}/valid.arrow",
        test="data/{corpus}/{data}/test.arrow",
        meta="data/{corpus}/{data}/meta.json",
    log:
        f"logs/{NAME}/{{corpus}}/{{data}}.prepare.log",
    benchmark:
        f"benchmarks/{NAME}/{{corpus}}/{{data}}.prepare.tsv"
    params:
        lnf=LNF,
        told=subpath(output.meta, parent=True),
    shell:
        "{params.lnf} prepare {params.told:q}/spec.json 2>&1 | tee -i {log:q}"
