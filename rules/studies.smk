"""What is looked at beside the runs' results: the toy, sampling time, the modes of p(z_t | z_<t), bounds by samples.

Inputs: the first seed's model of each variant, for a study that is yet to be made; of modes and bounds, the corpus too.
Outputs: results/NAME/toy/DIGEST/*, results/NAME/{speed, modes, bounds}/CORPUS/DIGEST/*.
"""

TOY = [
    f"results/{NAME}/toy/{{study}}/{file}" for file in ("densities.npz", "nll.parquet")
]
SPEED = [
    f"results/{NAME}/speed/{{corpus}}/{{study}}/speed.{form}"
    for form in ("parquet", "json")
]
MODES = [
    f"results/{NAME}/modes/{{corpus}}/{{study}}/modes.{form}"
    for form in ("npz", "json")
]
BOUNDS = [f"results/{NAME}/bounds/{{corpus}}/{{study}}/bounds.parquet"]
EVERY_CORE = 4096  # more than there are: Snakemake gives a job what --cores has


rule toy:
    """Flows of one scalar transform on a plane, against densities whose entropy is known."""
    output:
        TOY,
    log:
        f"logs/{NAME}/toy/{{study}}.log",
    benchmark:
        f"benchmarks/{NAME}/toy/{{study}}.tsv"
    params:
        lnf=LNF,
        told=subpath(output[0], parent=True),
    shell:
        "{params.lnf} toy {params.told:q}/spec.json 2>&1 | tee -i {log:q}"


rule speed:
    """Sampling time of every model of a corpus. It takes all cores, so that nothing of this workflow is beside it."""
    input:
        until_made(SPEED, FLOW.models_of_study),
    output:
        SPEED,
    log:
        f"logs/{NAME}/speed/{{corpus}}/{{study}}.log",
    benchmark:
        f"benchmarks/{NAME}/speed/{{corpus}}/{{study}}.tsv"
    threads: EVERY_CORE
    params:
        lnf=LNF,
        told=subpath(output[0], parent=True),
    shell:
        "{params.lnf} speed {params.told:q}/spec.json 2>&1 | tee -i {log:q}"


rule modes:
    """p(z_t | z_<t) of a model with two latent dimensions, as a string is spelled."""
    input:
        model=until_made(MODES, FLOW.models_of_study),
        data=until_made(MODES, FLOW.corpus_of_run),
    output:
        MODES,
    log:
        f"logs/{NAME}/modes/{{corpus}}/{{study}}.log",
    benchmark:
        f"benchmarks/{NAME}/modes/{{corpus}}/{{study}}.tsv"
    params:
        lnf=LNF,
        told=subpath(output[0], parent=True),
    shell:
        "{params.lnf} modes {params.told:q}/spec.json 2>&1 | tee -i {log:q}"


rule bounds:
    """The bound on the NLL of a model by the number of importance samples."""
    input:
        model=until_made(BOUNDS, FLOW.models_of_study),
        data=until_made(BOUNDS, FLOW.corpus_of_run),
    output:
        BOUNDS,
    log:
        f"logs/{NAME}/bounds/{{corpus}}/{{study}}.log",
    benchmark:
        f"benchmarks/{NAME}/bounds/{{corpus}}/{{study}}.tsv"
    params:
        lnf=LNF,
        told=subpath(output[0], parent=True),
    shell:
        "{params.lnf} bounds {params.told:q}/spec.json 2>&1 | tee -i {log:q}"
