"""Raw files to prepared corpora.

Outputs: data/CORPUS/{train,valid,test}.arrow and meta.json, always the whole corpus, shared by all configurations;
.lnf/database.ok, which says that the MLflow database was seen to.
"""


rule prepare:
    """Check the raw files of a corpus, read them, and write its splits."""
    output:
        train="data/{corpus}/train.arrow",
        valid="data/{corpus}/valid.arrow",
        test="data/{corpus}/test.arrow",
        meta="data/{corpus}/meta.json",
    log:
        f"logs/{NAME}/{{corpus}}/prepare.log",
    benchmark:
        f"benchmarks/{NAME}/{{corpus}}/prepare.tsv"
    params:
        lnf=LNF,
        identity=FLOW.data_identity,
        settings=untracked(FLOW.settings_text),
        mirror=untracked(FLOW.mirror_option),
    shell:
        "{params.lnf} prepare {wildcards.corpus} --settings {params.settings:q} {params.mirror}"
        " --out data/{wildcards.corpus} 2>&1 | tee -i {log}"


rule database:
    """Create or upgrade the MLflow database once, before many runs would do so at the same time."""
    output:
        touch(".lnf/database.ok"),
    log:
        f"logs/{NAME}/database.log",
    benchmark:
        f"benchmarks/{NAME}/database.tsv"
    params:
        lnf=LNF,
    shell:
        "{params.lnf} db 2>&1 | tee -i {log}"
