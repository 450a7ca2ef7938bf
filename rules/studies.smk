"""Analyses of trained models, and of flows themselves: the toy, sampling time, the modes of p(z_t | z_<t), bounds by samples, the ranking of a
sweep.

Inputs: the first seed's model of each variant; of modes and bounds, the corpus too.
Outputs: results/NAME/toy/DIGEST/*, results/NAME/{speed, modes, bounds, sweep}/CORPUS/DIGEST/*.
"""

for study, inputs in {
    "toy": [],
    "modes": ["prepare", "train"],
    "bounds": ["prepare", "train"],
    "sweep": ["evaluate"],
}.items():

    rule:
        name:
            study
        input:
            needs(study, *inputs),
        output:
            update(FLOW.output(study)),
        log:
            FLOW.log(study),
        benchmark:
            FLOW.benchmark(study)
        threads: FLOW.cpus(study)
        resources:
            **FLOW.resources(study),
        params:
            spec=FLOW.spec(study),
            stage=study,
        shell:
            FLOW.command("{params.stage}")


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
        spec=FLOW.spec("speed"),
    shell:
        FLOW.command("speed")
