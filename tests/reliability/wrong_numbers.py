"""Wrong numbers and claims: what would be wrong without a message is refused, named, or said to be unknown."""

from tests.reliability.case import Case

KIND = "Wrong numbers and claims"
NOTHING = "nothing"
MEASURING, SYMBOLS = "tests/app/test_measuring.py::test_", "tests/corpora/test_symbols.py::test_"
AGAIN = "tests/app/test_measuring_again.py::test_"
PROVENANCE, DIGESTS = "tests/system/test_provenance.py::test_", "tests/plan/test_digests.py::test_"
PAGE, FIGURES = "tests/report/page/test_page.py::test_", "tests/report/figures/test_figures.py::test_"

MIRRORED = "tests/tracking/test_mirrored.py::test_"

ROWS = [
    Case(
        "`lnf measured` after an edit of a reader's or a run's code",
        "…: 3 kept as before: …",
        "nothing: a kept run is recognised by its settings and its data",
        proved=f"{MEASURING}other_code_changes_nothing_of_what_is_kept",
    ),
    Case(
        "`lnf measured` with a configuration that no longer asks for a kept run",
        "measured: small: 1 kept run would be lost: markov/lstm/0 (train.epochs 100, now 50); train what takes its …",
        "nothing, unless --drop is given",
        proved=f"{AGAIN}what_was_kept_of_other_settings_is_dropped_only_when_told",
    ),
    Case(
        "a kept run that cannot be read",
        "measured: …/run.json: cannot be read (…); restore it with git, or move its folder away",
        NOTHING,
        proved=f"{MEASURING}a_kept_run_that_cannot_be_read_is_an_error",
    ),
    Case(
        "a long run of an older revision",
        "",
        "nothing: `lnf measured --results FOLDER` takes it by settings and data",
        proved=f"{MEASURING}results_of_an_older_revision_are_taken_by_settings_and_data",
    ),
    Case(
        "a better message, a moved definition, an annotation",
        "",
        "nothing: no result has another name",
        proved=f"{DIGESTS}moving_definitions_to_other_modules_changes_nothing",
    ),
    Case(
        "a definition that computes is changed",
        "",
        "nothing: each definition in the closure names the result",
        proved=f"{DIGESTS}every_definition_in_the_closure_counts_and_no_other_of_its_modules",
    ),
    Case(
        "a corpus of more than 256 symbols",
        "",
        "nothing: ids have a type that holds them",
        proved=f"{SYMBOLS}ids_of_any_vocabulary_reach_the_batch_and_come_back",
    ),
    Case(
        "a reader that gives ids outside its vocabulary, or a roll with a 2",
        "data: mine: test: sequence 1 holds 3; whole numbers from 0 to 2 would be right",
        "nothing: no corpus is written",
        proved=f"{SYMBOLS}what_is_no_symbol_is_refused_in_one_line",
    ),
    Case(
        "a text that begins with a byte order mark",
        "",
        "nothing: it is no symbol",
        proved="tests/corpora/test_corpora.py::test_ptb_drops_a_byte_order_mark",
    ),
    Case(
        "git's variables name another repository, as in a hook",
        "",
        "nothing: the revision is that of the project",
        proved=f"{PROVENANCE}gits_variables_name_no_other_repository",
    ),
    Case(
        "an archive that was unpacked below another repository",
        "",
        'nothing: the revision is "unknown", and run.json says why',
        proved=f"{PROVENANCE}an_archive_below_another_repository_has_no_revision",
    ),
    Case(
        "`lnf measured` with a run whose sources are in no commit: a new prior, a user's module",
        "measured: …: made by …+: my_flow.py is not in the commit; a run from a commit of this project would be right",
        "nothing: the run is refused",
        proved=f"{PROVENANCE}the_sources_of_a_run_are_lnfs_a_users_and_the_rule_file",
    ),
    Case(
        "`lnf measured` in a shallow clone, without git, or outside a repository",
        "measured: …: made by …: this clone is shallow, so that its history may lack the revision; type: git fetch …",
        NOTHING,
        proved=f"{PROVENANCE}a_shallow_clone_is_told_what_it_lacks",
    ),
    Case(
        "`lnf sample` of a model that other code trained",
        "…/model.pt: trained by revision …, with other code than today's in …",
        NOTHING,
        proved=f"{PROVENANCE}a_model_says_which_of_todays_code_did_not_train_it",
    ),
    Case(
        "a line is added to a user's own corpus",
        "",
        "nothing: it is another corpus, and its runs are other runs",
        proved="tests/corpora/test_inputs.py::test_a_folder_that_changed_is_another_corpus",
    ),
    Case(
        "an exact NLL below a bound that is not flat",
        "… has a bound that is not flat, so that it is behind by at most that, and may be ahead: not settled.",
        NOTHING,
        proved=f"{PAGE}what_bounds_can_show",
    ),
    Case(
        "two seeds of each model",
        "",
        "nothing: the interval is by Student's t with the seeds' degrees of freedom",
        proved=f"{PAGE}the_interval_joins_seeds_and_sequences_by_students_t",
    ),
    Case(
        "a model that does not compete is lower than the winner",
        "",
        "nothing: the page names it",
        proved=f"{PAGE}an_ablation_is_not_ranked_and_is_named_where_it_is_lower",
    ),
    Case(
        "a subset of a corpus whose source is known",
        "The source of this corpus is known, but its NLL is computed for the whole test split, …",
        NOTHING,
        proved=f"{PAGE}a_subset_has_no_limit_though_its_source_is_known",
    ),
    Case(
        "a ranking of the paper with one seed, or with an exact NLL below a bound",
        "",
        "nothing: its verdict is undecided",
        proved="tests/report/measured/test_rankings.py::test_a_ranking_needs_the_interval_over_seeds",
    ),
    Case(
        "the bar of a source in the figure of nats",
        "",
        "nothing: the cost of the length is a part of its own, as in all bars",
        proved=f"{FIGURES}every_bar_shows_the_cost_of_the_length_separately",
    ),
    Case(
        "the figure of sampling time with a batch of 16",
        "",
        "nothing: its axis says seconds per batch",
        proved=f"{FIGURES}the_speed_axis_names_what_it_shows",
    ),
    Case(
        "a variant's run is deleted in MLflow's page",
        "",
        "nothing: the next sync makes it again above its seeds",
        proved=f"{MIRRORED}a_variants_run_that_was_deleted_is_made_again_above_its_seeds",
    ),
    Case(
        "MLflow's artifacts are removed",
        "",
        "nothing: the next sync logs what MLflow no longer has",
        proved=f"{MIRRORED}artifacts_that_were_removed_are_logged_again",
    ),
    Case(
        "an experiment with deleted runs is restored",
        "",
        "nothing: a seed counts once",
        proved=f"{MIRRORED}a_seed_counts_once_after_an_experiment_was_restored",
    ),
    Case(
        "a setting is changed and taken back",
        "",
        "nothing: the planned run of a seed counts in MLflow, whichever was written last",
        proved="tests/tracking/test_follow.py::test_the_planned_run_of_a_place_counts_whichever_was_written_last",
    ),
    Case(
        "`lnf measured` with a run that diverged, or came less far than the kept one",
        "",
        "nothing: the kept one stays",
        proved=f"{AGAIN}a_run_that_came_further_stays",
    ),
    Case(
        "`lnf measured` is killed",
        "",
        "nothing: the next call puts back what was set aside",
        proved=f"{AGAIN}what_a_kill_left_aside_is_put_back",
    ),
    Case(
        "a run whose evaluation failed",
        "",
        "nothing: MLflow shows it as failed",
        proved=f"{MIRRORED}a_run_whose_evaluation_failed_says_so",
    ),
    Case(
        "`lnf sync` when something is missing afterwards",
        "sync: MLflow lacks 1 runs or reports of demo; type the same command again",
        "nothing: the files are there",
        proved=f"{MIRRORED}sync_fails_if_something_is_missing_afterwards",
    ),
    Case(
        "an empty MLFLOW_TRACKING_URI",
        "",
        "nothing: it counts as not set",
        proved=f"{MIRRORED}an_empty_address_is_none",
    ),
    Case(
        "a project below a folder with a `?` in its name, or any other character",
        "",
        "nothing: all that is written is below the project",
        proved=f"{MIRRORED}every_character_that_a_path_may_hold",
    ),
    Case(
        "a password in MLflow's address",
        "",
        "nothing: it is neither printed nor stored",
        proved=f"{MIRRORED}no_password_is_printed_or_stored",
    ),
    Case(
        "a seed or a temperature for a logged model's `predict`",
        "",
        "nothing: it is used",
        proved=f"{MIRRORED}predict_takes_a_seed_and_a_temperature",
    ),
    Case(
        "a logged model with a user's own prior, loaded in another folder",
        "",
        "nothing: it has the user's modules with it",
        proved=f"{MIRRORED}a_model_with_a_users_own_class_is_loaded_elsewhere",
    ),
]
