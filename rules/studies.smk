"""Analyses of trained models, and of flows themselves: the toy, sampling time, the modes of p(z_t | z_<t), bounds by samples.

Inputs: the first seed's model of each variant; of modes and bounds, the corpus too.
Outputs: results/NAME/toy/DIGEST/*, results/NAME/{speed, modes, bounds}/CORPUS/DIGEST/*.
"""


rule toy:
    """Flows of one scalar transform on a plane, against densities whose entropy is known."""
    output:
        update(FLOW.output("toy")),
    log:
        FLOW.log("toy"),
    benchmark:
        FLOW.benchmark("toy")
    params:
        lnf=LNF,
        spec=FLOW.spec("toy"),
    shell:
        "{params.lnf} toy {params.spec:q} > {log:q} 2>&1"


rule speed:
    """Sampling time of every model of a corpus. It has a machine for itself."""
    input:
        needs("speed", "train"),
    output:
        update(FLOW.output("speed")),
    log:
        FLOW.log("speed"),
    benchmark:
        FLOW.benchmark("speed")
    threads: FLOW.every_core
    resources:
        **FLOW.resources("speed"),
        ray_whole_node=1,
    params:
        lnf=LNF,
        spec=FLOW.spec("speed"),
    shell:
        "{params.lnf} speed {params.spec:q} > {log:q} 2>&1"


rule modes:
    """p(z_t | z_<t) of a model with two latent dimensions, as a string is spelled."""
    input:
        needs("modes", "prepare", "train"),
    output:
        update(FLOW.output("modes")),
    log:
        FLOW.log("modes"),
    benchmark:
        FLOW.benchmark("modes")
    threads: FLOW.cpus("modes")
    resources:
        **FLOW.resources("modes"),
    params:
        lnf=LNF,
        spec=FLOW.spec("modes"),
    shell:
        "{params.lnf} modes {params.spec:q} > {log:q} 2>&1"


rule bounds:
    """The bound on the NLL of a model by the number of importance samples."""
    input:
        needs("bounds", "prepare", "train"),
    output:
        update(FLOW.output("bounds")),
    log:
        FLOW.log("bounds"),
    benchmark:
        FLOW.benchmark("bounds")
    threads: FLOW.cpus("bounds")
    resources:
        **FLOW.resources("bounds"),
    params:
        lnf=LNF,
        spec=FLOW.spec("bounds"),
    shell:
        "{params.lnf} bounds {params.spec:q} > {log:q} 2>&1"
