"""Raw files to prepared corpora.

Outputs: data/CORPUS/DIGEST/{train,valid,test}.arrow and meta.json, always the whole corpus, shared by all
configurations.
"""


rule prepare:
    """Check the raw files of a corpus, read them, and write its splits."""
    output:
        update(FLOW.output("prepare")),
    log:
        FLOW.log("prepare"),
    benchmark:
        FLOW.benchmark("prepare")
    params:
        spec=FLOW.spec("prepare"),
    shell:
        FLOW.command("prepare")
