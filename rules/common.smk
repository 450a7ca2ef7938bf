"""What the rules share."""


def needs(stage, *of):
    """An input function: what a job of a stage reads of other stages. Dates do not count, for names say what a file was
    made of; only what is made again in this workflow (--forcerun, --forceall) has all that reads it made again.
    """

    def inputs(wildcards):
        settings = workflow.dag_settings
        forced = STAGES if settings.forceall else settings.forcerun
        found = FLOW.inputs(stage, wildcards, of, forced)
        return [file if again else ancient(file) for file, again in found.items()]

    return inputs
