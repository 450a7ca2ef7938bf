"""The tests that Snakemake has for executor plugins."""

import pytest
import snakemake.common.tests
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from snakemake_executor_plugin_ray import ExecutorSettings

pytestmark = pytest.mark.processes


class TestWorkflows(snakemake.common.tests.TestWorkflowsLocalStorageBase):
    """A simple workflow and one with groups, twice in one process."""

    __test__ = True

    def get_executor(self) -> str:
        return "ray"

    def get_executor_settings(self) -> ExecutorSettingsBase:
        return ExecutorSettings()
