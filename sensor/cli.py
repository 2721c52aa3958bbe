# SPDX-License-Identifier: Apache-2.0
"""
What people type. Parses, calls, prints errors as people read them; knows no more.

Modules are imported by the command that needs them, so that ``scout run`` has
its loader at work before the rest of the agent is even read.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.core.errors import DocumentError, ScoutError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[[argparse.Namespace], int]

EXIT_CODES = "exit codes: 0 ok, 1 failure, 2 usage, 3 rules or policies have mistakes, 4 this machine cannot run it, 5 probes, 6 a recording is damaged"


class _Parser(argparse.ArgumentParser):
    """Raises instead of exiting, so that an unknown flag is an error like any other."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(message, hint=f"see {self.prog} --help")


def _rules_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rules",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="rule file or folder (again for more, later ones override); default: the managed rules",
    )


def _socket_option(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--status-socket", type=Path, default=Path("/run/scout/scout.sock"), metavar="PATH", help=text)


def _run_options(parser: argparse.ArgumentParser) -> None:
    _rules_option(parser)
    parser.add_argument("--policy", type=Path, metavar="PATH", help="ruleset file or folder; default: every rule, log")
    parser.add_argument("--output", choices=("auto", "text", "json"), default="auto", help="auto: text on a terminal, otherwise a JSON line each")
    parser.add_argument("--containers-only", action="store_true", help="leave the host's own processes out of scope")
    parser.add_argument("--node", default="", metavar="NAME", help="name of the node in findings; default: the host's name")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="ask this cluster for pods; default: the pod's own identity, else $KUBECONFIG, else none"
    )
    where.add_argument("--no-cluster", action="store_true", help="ask no API server: containers have ids, and no names")
    parser.add_argument("--kubeconfig-insecure", action="store_true", help="take a kubeconfig whose server does not prove who it is")
    parser.add_argument("--containerd-state", type=Path, metavar="DIR", help="where containerd keeps its state; default: /run/containerd and its like")
    parser.add_argument("--names-wait", type=float, default=2.0, metavar="S", help="longest a match waits for its pod's names (default: %(default)g s)")
    parser.add_argument("--status-port", type=int, default=0, metavar="PORT", help="serve /metrics, /healthz, /readyz and /rules there; default: no port")
    _socket_option(parser, "answer scout support and scout rules status there; none: nowhere (default: %(default)s)")
    parser.add_argument("--status-address", default="127.0.0.1", metavar="ADDRESS", help="address of that port (default: %(default)s)")
    parser.add_argument("--no-watch", action="store_true", help="load changed rules on SIGHUP only, not by themselves")
    parser.add_argument("--strict", action="store_true", help="refuse to start when a probe cannot be loaded, instead of going on without it")
    parser.add_argument("--offsets", type=Path, metavar="FILE", help="offset table for this kernel, instead of BTF and headers")
    parser.add_argument("--no-cache", action="store_true", help="compile the probes even when an earlier start has kept them in /var/cache/scout")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="least level of log lines on standard error")


def _asked(parser: argparse.ArgumentParser) -> None:
    _socket_option(parser, "ask the running sensor there (default: %(default)s)")
    parser.add_argument("--status-port", type=int, default=0, metavar="PORT", help="ask it on its status port instead, which tells less")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="scout", description="Kubernetes runtime security: from a system call on this node to a finding.", epilog=EXIT_CODES)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, text: str, command: Command) -> argparse.ArgumentParser:
        child = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=EXIT_CODES)
        child.set_defaults(run=command)
        return child

    _run_options(add("run", "watch this machine and print findings", _run))
    record = add("record", "watch as run does, and write every frame to a file", _record)
    record.add_argument("file", type=Path, help="the recording to make; it holds command lines as they were, secrets included")
    record.add_argument("--max-bytes", type=int, default=1 << 30, metavar="N", help="most bytes of the file (default: 1 GiB)")
    record.add_argument("--overwrite", action="store_true", help="replace the file when it exists")
    _run_options(record)
    replay = add("replay", "run a recording through the rules again", _replay)
    replay.add_argument("file", type=Path, help="a recording")
    _rules_option(replay)
    replay.add_argument("--policy", type=Path, metavar="PATH", help="ruleset file or folder; default: every rule, log")
    replay.add_argument("--output", choices=("auto", "text", "json"), default="auto", help="as for run")
    rules = add("rules", "check, list, explain and test rules", _rules_help)
    actions = rules.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    for name, text, several in (
        ("check", "read rule files and tell every mistake and warning", True),
        ("list", "list the rules", True),
        ("test", "run the rules' cases", True),
    ):
        action = actions.add_parser(name, help=text, epilog=EXIT_CODES)
        action.add_argument("paths", type=Path, nargs="*" if several else 1, metavar="PATH", help="rule files and folders; default: the managed rules")
        action.set_defaults(run=_rules)
        if name == "list":
            action.add_argument("--json", action="store_true", help="for machines")
            action.add_argument("--navigator", action="store_true", help="the ATT&CK techniques of the rules as a layer for the ATT&CK Navigator")
            action.add_argument("--policy", type=Path, metavar="PATH", help="ruleset file or folder that says the mitigations; default: every rule, log")
    explain = actions.add_parser("explain", help="show what a rule became: clauses, generated function", epilog=EXIT_CODES)
    explain.add_argument("rule", help="id or name, or a rule file: every rule of it")
    explain.add_argument("--recording", type=Path, metavar="FILE", help="say why the rule fires or not on the events of a recording (scout record)")
    explain.add_argument("--frame", type=int, metavar="N", help="only on the recording's frame N, the first being 0")
    _rules_option(explain)
    explain.set_defaults(run=_rules)
    status = actions.add_parser("status", help="what each rule can see on this node, asked of the running sensor", epilog=EXIT_CODES)
    _asked(status)
    status.set_defaults(run=_rules_status)
    ps = add("ps", "list the containers as the running sensor sees them", _ps)
    _socket_option(ps, "ask the running sensor there (default: %(default)s)")
    ps.add_argument("--json", action="store_true", help="for machines; with pods' sandboxes")
    ps.add_argument("--watch", action="store_true", help="again every two seconds, until Ctrl-C; with --json a line each time")
    doctor = add("doctor", "tell what this node offers, what scout will use, and what is missing", _doctor)
    doctor.add_argument("--json", action="store_true", help="for machines")
    version = add("version", "tell what is installed: build, rules, probes", _version)
    version.add_argument("--json", action="store_true", help="for machines")
    support = add("support", "write an archive for a bug report, without secrets", _support)
    support.add_argument("file", type=Path, help="the archive to make (.tar.gz)")
    _asked(support)
    prepare = add("prepare", "compile the probes for this kernel and keep them, so that the next start needs no compiler", _prepare)
    prepare.add_argument("--offsets", type=Path, metavar="FILE", help="offset table for this kernel, instead of BTF and headers")
    offsets = add("offsets", "write this kernel's offset table, for kernels like it without BTF", _offsets)
    offsets.add_argument("file", type=Path, nargs="?", help="where to write it; default: standard output")
    return parser


def _config(options: argparse.Namespace):  # type: ignore[no-untyped-def]  # noqa: ANN202  # core.config.RunConfig, imported late
    from sensor.core.config import ClusterConfig, RunConfig, kernel_from  # noqa: PLC0415

    return RunConfig(
        rules=tuple(options.rules),
        policy=options.policy,
        output=options.output,
        host_in_scope=not options.containers_only,
        status_address=options.status_address,
        status_port=options.status_port,
        status_socket=None if options.status_socket in {Path("none"), Path()} else options.status_socket,
        node=options.node,
        watch=not options.no_watch,
        cluster=ClusterConfig(
            wanted=not options.no_cluster,
            kubeconfig=options.kubeconfig,
            insecure=options.kubeconfig_insecure,
            containerd_state=options.containerd_state,
            wait_s=options.names_wait,
        ),
        kernel=kernel_from(os.environ, strict=options.strict, offsets=options.offsets, cache=not options.no_cache),
    )


def _agent(options: argparse.Namespace, record: bool) -> int:  # two callers, below
    from sensor.core.paths import find_data  # noqa: PLC0415
    from sensor.startup import Startup  # noqa: PLC0415

    _mind_signals()
    config = _config(options)
    data = find_data()
    startup = Startup(config.kernel, data)  # the probes compile while the rest of the agent is imported
    try:
        from sensor.core.log import Level, configure  # noqa: PLC0415
        from sensor.running import start  # noqa: PLC0415

        control = configure(level=Level.named(options.log_level))
        agent = start(config, data, startup, options if record else None, log=control.tail.text)
    finally:
        startup.abandon()
    agent.run()
    return 0


def _mind_signals() -> None:
    """Until the agent has handlers of its own: to be asked to end ends the start in good order, and what only a running agent knows does not end it."""

    def end(_number: int, _frame: object) -> None:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _run(options: argparse.Namespace) -> int:
    return _agent(options, record=False)


def _record(options: argparse.Namespace) -> int:
    return _agent(options, record=True)


def _replay(options: argparse.Namespace) -> int:
    from sensor.running import replay  # noqa: PLC0415

    return replay(options.file, options.rules, options.policy, options.output)


def _rules_help(_options: argparse.Namespace) -> int:
    raise UsageError("rules needs an action", hint="see scout rules --help")


def _rules(options: argparse.Namespace) -> int:
    from sensor.rules_commands import rules  # noqa: PLC0415

    return rules(options)


def _rules_status(options: argparse.Namespace) -> int:
    from sensor.commands import rules_status  # noqa: PLC0415

    return rules_status(options)


def _ps(options: argparse.Namespace) -> int:
    from sensor.commands import ps  # noqa: PLC0415

    return ps(options.status_socket, as_json=options.json, watch=options.watch)


def _doctor(options: argparse.Namespace) -> int:
    from sensor.commands import doctor  # noqa: PLC0415

    return doctor(as_json=options.json)


def _version(options: argparse.Namespace) -> int:
    from sensor.commands import version  # noqa: PLC0415

    return version(as_json=options.json)


def _support(options: argparse.Namespace) -> int:
    from sensor.commands import support  # noqa: PLC0415

    return support(options)


def _prepare(options: argparse.Namespace) -> int:
    from sensor.commands import prepare  # noqa: PLC0415
    from sensor.core.config import kernel_from  # noqa: PLC0415

    return prepare(kernel_from(os.environ, strict=True, offsets=options.offsets))


def _offsets(options: argparse.Namespace) -> int:
    from sensor.commands import offsets  # noqa: PLC0415

    return offsets(options.file)


def _tell(error: ScoutError) -> None:
    from sensor.core.escape import visible  # noqa: PLC0415  # only when there is something to tell

    lines = [f"scout: {error}"]
    if isinstance(error, DocumentError):
        lines += [text for problem in error.problems if (text := str(problem)) not in str(error)]
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    with suppress(OSError):  # nobody reads it
        sys.stderr.write("\n".join(visible(line) for text in lines for line in text.split("\n")) + "\n")
        sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the process's exit code."""
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except ScoutError as error:
        _tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read our output is gone; so is the need for it
        return 1
    except OSError as error:  # a full disk, no descriptors left: nothing a traceback would explain
        _tell(ScoutError(str(error)))
        return 1


if __name__ == "__main__":
    sys.exit(main())
