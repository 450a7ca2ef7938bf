"""Where MLflow's page opens."""

import socket

from lnf.tracking import ui


def test_a_port_that_is_in_use_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < ui._free_port(port) < port + ui.PORTS
    assert ui._free_port(port) == port
