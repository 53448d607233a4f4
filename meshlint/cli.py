"""The command line: the only place with output streams and exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshlint import __version__
from meshlint.baseline import DEFAULT_BASELINE, BaselineError
from meshlint.config import (
    FILE_NAMES,
    Config,
    ConfigError,
    check_rule_settings,
    find_config,
    load_config,
)
from meshlint.dataclass import replace
from meshlint.enablement import EnabledRule, Overrides, enable
from meshlint.engine import INTERNAL_ERROR
from meshlint.findings import SEVERITIES, RuleInfo
from meshlint.lint import Request, Result, build_world, lint, load_input
from meshlint.mesh.settings import HelmValues, Settings
from meshlint.mesh.versions import Version, parse_version
from meshlint.reporters import CI_VARIABLES, FORMATS, ReportContext
from meshlint.ruleset import (
    PROFILES,
    Rule,
    RuleError,
    SelectionError,
    load_builtin,
    load_directory,
    named_rules,
    select,
    suggestion,
)
from meshlint.writing import write_whole

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from meshlint.findings import Precision, Report, Severity

EXIT_CLEAN, EXIT_FINDINGS, EXIT_ERROR, EXIT_NOTHING = 0, 1, 2, 3
EXIT_INTERRUPTED = 130
"""As a shell reports a program that Ctrl-C has ended."""

_WITH_EDITS = frozenset({"text", "json", "sarif"})
"""Formats that show what fixes do to the text."""
_FOR_PEOPLE = frozenset({"text", "concise"})
"""Formats that are shown as the terminal can show them; the others are UTF-8 for programs."""
_THRESHOLDS = ("error", "warning", "info", "never")


class _DefaultToCheck(click.Group):
    """`meshlint PATH...` means `meshlint check PATH...`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            return "check", self.commands["check"], args
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            Path.cwd()
        except OSError as error:
            reason = error.strerror or error
            raise _UsageError(f"the working directory is gone or closed: {reason}") from None
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, SystemExit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise SystemExit(EXIT_INTERRUPTED) from None
        except Exception:  # noqa: BLE001 - a bug of meshlint's own must not look like findings
            import traceback

            traceback.print_exc()
            click.echo("error: this is a bug in meshlint, please report it", err=True)
            raise SystemExit(EXIT_ERROR) from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version"}
        if args and args[0] not in self.commands and args[0] not in own:
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = super().shell_complete(ctx, incomplete)
        # The first word may be a path as well as a command.
        return found if incomplete.startswith("-") else [*found, CompletionItem(incomplete, "file")]


class _UsageError(click.ClickException):
    exit_code = EXIT_ERROR

    def __init__(self, message: str) -> None:
        from meshlint.reporters.terminal import visible

        super().__init__("\n".join(visible(line) for line in message.split("\n")))


def _say(text: str) -> None:
    """A line for standard error; names of files in it cannot drive the terminal."""
    from meshlint.reporters.terminal import visible

    click.echo(visible(text), err=True)


class _OutputError(_UsageError):
    """Output that could not be written."""


# ------------------------------------------------------------------------------ completion

_Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _completing(words: Callable[[], Iterable[str]]) -> _Completer:
    """Completes to those words that begin as what is typed."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        return sorted(word for word in words() if word.startswith(incomplete))

    return complete


def _rule_ids() -> set[str]:
    return {rule.id for rule in load_builtin()}


def _rules_and_categories() -> set[str]:
    return _rule_ids() | {rule.category for rule in load_builtin()}


@click.group(cls=_DefaultToCheck, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="meshlint")
def main() -> None:
    """Lint Kubernetes and Istio manifests for production readiness.

    `meshlint PATH...` is short for `meshlint check PATH...`.
    """


def _common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what the input is; `check` and `inspect` share them."""
    for option in reversed(
        (
            click.argument("paths", nargs=-1, type=click.Path(path_type=str, readable=False)),
            click.option(
                "--config",
                "config_path",
                metavar="FILE",
                type=click.Path(dir_okay=False, readable=False),
                help="Configuration file; default: .meshlint.yaml here or in a directory above.",
            ),
            click.option(
                "--context",
                multiple=True,
                metavar="PATH",
                type=click.Path(readable=False),
                help="Read this as well, without reporting on it. Repeatable.",
            ),
            click.option(
                "--crds",
                multiple=True,
                metavar="PATH",
                type=click.Path(readable=False),
                help="Judge custom resources by the CustomResourceDefinitions here. Repeatable.",
            ),
            click.option(
                "--exclude",
                multiple=True,
                metavar="PATTERN",
                help="Leave out what matches, as in .gitignore. Repeatable.",
            ),
            click.option(
                "--kubernetes-version", metavar="VERSION", help="Target version, such as 1.34."
            ),
            click.option(
                "--istio-version", metavar="VERSION", help="Target version, such as 1.27."
            ),
            click.option(
                "--helm-values",
                multiple=True,
                metavar="CHART=FILE",
                help="Values file of an Istio chart that is not recognized by itself. Repeatable.",
            ),
            click.option(
                "--mesh-config",
                metavar="FILE",
                type=click.Path(readable=False),
                help="MeshConfig of a control plane elsewhere.",
            ),
            click.option(
                "--mesh-networks",
                metavar="FILE",
                type=click.Path(readable=False),
                help="MeshNetworks, as YAML.",
            ),
            click.option(
                "--today", metavar="DATE", help="Day that ages are counted to; default: today, UTC."
            ),
        )
    ):
        command = option(command)
    return command


@main.command()
@_common_options
@click.option(
    "--profile",
    metavar="NAME",
    help="production (default), recommended, security, all.",
    shell_complete=_completing(lambda: PROFILES),
)
@click.option(
    "--select",
    multiple=True,
    metavar="RULE|CATEGORY",
    help="Run these too. Repeatable.",
    shell_complete=_completing(_rules_and_categories),
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="RULE|CATEGORY",
    help="Do not run these. Repeatable.",
    shell_complete=_completing(_rules_and_categories),
)
@click.option(
    "--rules",
    "rule_dirs",
    multiple=True,
    metavar="DIR",
    type=click.Path(readable=False),
    help="Folder with rules of your own. Repeatable.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT[=FILE]",
    help=f"{', '.join(FORMATS)}; with =FILE written there, compressed if FILE ends in .gz."
    " Repeatable. Default: text.",
    shell_complete=_completing(lambda: FORMATS),
)
@click.option(
    "--sarif-category",
    metavar="NAME",
    help="Tells apart several SARIF files for one commit. Default: meshlint.",
)
@click.option(
    "--fail-on",
    metavar="SEVERITY",
    help="error, warning (default), info, never.",
    shell_complete=_completing(lambda: _THRESHOLDS),
)
@click.option(
    "--baseline",
    "baseline",
    metavar="FILE",
    type=click.Path(readable=False),
    help="Do not report the findings in this file, which --write-baseline made.",
)
@click.option(
    "--write-baseline",
    is_flag=True,
    help=f"Write all findings to the baseline (default: {DEFAULT_BASELINE}) and accept them.",
)
@click.option(
    "--since",
    metavar="REVISION",
    help="Report only what this git revision does not have, such as origin/main.",
)
@click.option("--fix", "do_fix", is_flag=True, help="Carry out the safe fixes.")
@click.option(
    "--unsafe-fixes",
    is_flag=True,
    help="Carry out the fixes that somebody has to look at as well; implies --fix.",
)
@click.option("--diff", "show_diff", is_flag=True, help="Show what fixing would do; write nothing.")
@click.option(
    "--force-exclude", is_flag=True, help="Exclude files that are named on the command line too."
)
@click.option(
    "--with-context",
    is_flag=True,
    help="Report on the named paths, judged against everything that would be linted without any.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    help="Processes that share the rules. Default: one a core where the input is large.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say what was skipped and assumed, and why.")
@click.option("-q", "--quiet", is_flag=True, help="Findings only, one line each.")
def check(**options: Any) -> None:
    """Lint manifests.

    PATH is a file, a directory, a glob, or - for standard input; without one the configured
    `include` paths, else the working directory, are linted.

    Exit code: 0 nothing at or above --fail-on, 1 findings, 2 bad usage or an internal error,
    3 nothing was linted.
    """

    if options["verbose"] and options["quiet"]:
        raise _UsageError("--verbose and --quiet exclude each other.")
    formats = _outputs(options["formats"])
    config = _configuration(options["config_path"])
    fail_on = options["fail_on"] or config.fail_on or "warning"
    if fail_on not in _THRESHOLDS:
        raise _UsageError(_unknown("severity", fail_on, _THRESHOLDS))
    rules = _all_rules(options["rule_dirs"])
    enabled, overrides = _enabled_rules(config, options, rules)
    request = replace(_request(config, options, enabled), overrides=overrides, known_rules=rules)
    result = _without_known(config, options, request, lint(request))
    for reason in result.bad_paths:
        _say(f"error: {reason}")
    changes = False
    if options["do_fix"] or options["unsafe_fixes"] or options["show_diff"]:
        result, changes = _fix(config, options, request, result)
    report, crashes, bad_paths = result.report, result.crashes, result.bad_paths
    # The objects themselves go: reports on a large input need the room.
    del result
    if options["show_diff"]:
        if changes:
            raise SystemExit(EXIT_FINDINGS)
    else:
        _write_reports(report, enabled, formats, options)
    if crashes and options["verbose"]:
        click.echo("\n".join(crashes), err=True)
    if bad_paths or any(f.rule == INTERNAL_ERROR for f in report.findings):
        raise SystemExit(EXIT_ERROR)
    if _fails(report, fail_on):
        raise SystemExit(EXIT_FINDINGS)
    if not report.resources and not report.findings and not options["with_context"]:
        click.echo(
            "error: nothing was linted: the input holds no Kubernetes or Istio object", err=True
        )
        raise SystemExit(EXIT_NOTHING)


def _without_known(
    config: Config,
    options: dict[str, Any],
    request: Request,
    result: Result,
) -> Result:
    """The result without findings of the baseline and of the revision that is compared with."""
    if not (
        options["baseline"] or config.baseline or options["write_baseline"] or options["since"]
    ):
        return result
    from meshlint.history import (
        RevisionError,
        without_baseline,
        without_revision,
        write_baseline,
    )

    path = config.directory / config.baseline if config.baseline else None
    path = Path(options["baseline"]) if options["baseline"] else path
    try:
        if options["write_baseline"]:
            path = path or config.directory / DEFAULT_BASELINE
            result, count = write_baseline(result, path)
            _say(f"wrote {count:,} findings to {_from_here(path)}")
        elif path is not None:
            result = without_baseline(request, result, path)
        if options["since"]:
            result = without_revision(request, result, options["since"])
    except (BaselineError, RevisionError) as error:
        raise _UsageError(str(error)) from None
    return result


def _fix(
    config: Config, options: dict[str, Any], request: Request, result: Result
) -> tuple[Result, bool]:
    """Carries out fixes, or shows them: what is left, and whether there was anything to do."""
    from meshlint.fixes import diff_lines, fix_all, write

    if options["write_baseline"]:
        raise _UsageError("--write-baseline and fixes exclude each other.")
    if "-" in request.paths:
        raise _UsageError("Standard input cannot be fixed; give the path of the file.")
    locations = result.locations
    last = [result]

    def lint_again(texts: Mapping[str, str]) -> Report:
        overlays = {locations[path]: text.encode() for path, text in texts.items()}
        again = lint(replace(request, overlays=overlays, progress=None))
        last[0] = _without_known(config, options, request, again)
        return last[0].report

    outcome = fix_all(result.report, lint_again, unsafe=options["unsafe_fixes"])
    failed: set[str] = set()
    if options["show_diff"]:
        texts = outcome.texts.items()
        lines = [line for path, (old, new) in texts for line in diff_lines(path, old, new)]
        _print("".join(f"{line}\n" for line in lines), exact=True)
    else:
        for path, (before, after) in outcome.texts.items():
            if reason := write(locations[path], before, after):
                failed.add(path)
                _say(f"error: {path}: {reason}")
    done = "would fix" if options["show_diff"] else "fixed"
    if outcome.fixed or outcome.unfixed:
        fixed = sum(finding.location.file.path not in failed for finding in outcome.fixed)
        files = _counted(len(outcome.texts) - len(failed), "file")
        said = f"{done} {_counted(fixed, 'finding')} in {files}"
        if outcome.unfixed:
            said += f"; {_counted(len(outcome.unfixed), 'fix', 'fixes')} not carried out"
            said += "" if options["verbose"] else " (-v says why)"
        click.echo(said, err=True)
    if options["verbose"]:
        for entry in outcome.unfixed:
            where = entry.finding.location
            number = where.file.position(where.span.start).line
            at = f"{where.file.path}:{number}"
            _say(f"  {at}: {entry.finding.rule} not fixed: {entry.reason}")
    if failed:
        # What stands on the disk now is not what was planned.
        result = _without_known(config, options, request, lint(replace(request, progress=None)))
        reasons = (*result.bad_paths, *sorted(failed))
        return replace(result, bad_paths=reasons), True
    return replace(last[0], report=outcome.report), bool(outcome.texts)


def _counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _fails(report: Report, fail_on: str) -> bool:

    if fail_on == "never":
        return False
    allowed = SEVERITIES[: [*SEVERITIES].index(fail_on) + 1]  # type: ignore[arg-type]
    return any(finding.severity in allowed for finding in report.findings)


def _unknown(what: str, given: str, known: Sequence[str]) -> str:

    return f"there is no {what} {given!r}{suggestion(given, known)} ({', '.join(known)})"


def _outputs(given: Sequence[str]) -> list[tuple[str, str | None]]:
    outputs = []
    for entry in given or ("text",):
        name, _, target = entry.partition("=")
        if name not in FORMATS:
            raise _UsageError(_unknown("format", name, tuple(FORMATS)))
        if entry.endswith("=") and not target:
            raise _UsageError(f"--format {entry}: the name of the file is missing")
        outputs.append((name, target or None))
    if sum(target is None for _, target in outputs) > 1:
        raise _UsageError("Only one --format can go to standard output; give the others a =FILE.")
    return outputs


# -------------------------------------------------------------------------- configuration


def _configuration(path: str | None) -> Config:

    found = Path(path) if path is not None else find_config(Path.cwd())
    if found is None:
        return Config(directory=Path.cwd())
    try:
        return load_config(found.resolve(), path or os.path.relpath(found))
    except ConfigError as error:
        raise _UsageError(str(error)) from None


def _settings(config: Config, options: dict[str, Any]) -> Settings:

    kubernetes = _version("--kubernetes-version", options["kubernetes_version"])
    settings = replace(
        config.settings,
        today=_today(options["today"]),
        istio_version=_version("--istio-version", options["istio_version"])
        or config.settings.istio_version,
        kubernetes_version=kubernetes or config.settings.kubernetes_version,
        kubernetes_version_given=kubernetes is not None or config.settings.kubernetes_version_given,
    )
    if options["helm_values"]:
        charts = ("base", "default", "istiod", "gateway", "ztunnel", "cni")
        more = []
        for entry in options["helm_values"]:
            chart, _, path = entry.partition("=")
            if chart not in charts or not path:
                raise _UsageError(
                    f"--helm-values: {entry!r} is not CHART=FILE; charts are {', '.join(charts)}"
                )
            more.append(HelmValues(path, chart))
        settings = replace(settings, helm_values=(*more, *settings.helm_values))
    return settings


def _version(option: str, given: str | None) -> Version | None:
    if given is None:
        return None
    version = parse_version(given)
    if version is None:
        raise _UsageError(f"{option}: {given!r} is no version such as 1.27")
    return version


def _today(given: str | None) -> date:
    given = given or os.environ.get("MESHLINT_TODAY")
    if not given:
        return datetime.now(timezone.utc).date()
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise _UsageError(f"--today: {given!r} is no date such as 2026-01-31") from None


def _all_rules(directories: Sequence[str]) -> tuple[Rule, ...]:

    try:
        rules = {rule.id: rule for rule in load_builtin()}
        for directory in directories:
            for rule in load_directory(Path(directory)):
                if rule.id in rules:
                    raise RuleError(f"{rule.source}: there already is a rule {rule.id}")
                rules[rule.id] = rule
                rule.check  # noqa: B018 - a check that does not exist is bad usage, not a crash
    except RuleError as error:
        raise _UsageError(str(error)) from None
    return tuple(rules[name] for name in sorted(rules))


def _enabled_rules(
    config: Config, options: dict[str, Any], rules: Sequence[Rule]
) -> tuple[tuple[EnabledRule, ...], Overrides]:
    profile = options["profile"] or config.profile or "production"
    if profile not in PROFILES:
        raise _UsageError(_unknown("profile", profile, PROFILES))
    try:
        check_rule_settings(config, {rule.id: rule for rule in rules})
        chosen = select(
            rules,
            profile,
            (*config.select, *options["select"]),
            (*config.ignore, *options["ignore"]),
        )
        overrides = Overrides(config.overrides, rules)
    except (ConfigError, SelectionError) as error:
        raise _UsageError(str(error)) from None
    enabled = []
    # What the command line leaves out runs nowhere, whatever an override says.
    unwanted = named_rules(rules, options["ignore"])
    everywhere = {rule.id for rule in chosen}
    somewhere = (everywhere | overrides.selected) - unwanted
    for rule in rules:
        if rule.id in somewhere:
            entry = config.rules.get(rule.id, {})
            params = entry.get("params", {})
            if config.sizing:
                sizing = {n: config.sizing[n] for n in rule.params if n in config.sizing}
                params = {**sizing, **params}
            enabled.append(
                enable(rule, entry.get("severity"), params, everywhere=rule.id in everywhere)
            )
    return tuple(enabled), overrides


# ------------------------------------------------------------------------------------ run


def _request(config: Config, options: dict[str, Any], enabled: tuple[EnabledRule, ...]) -> Request:
    configured = [_from_here(config.directory / path) for path in config.include] or ["."]
    context = [
        *options["context"],
        *(_from_here(config.directory / path) for path in config.context),
    ]
    paths = list(options["paths"])
    if options.get("with_context") and paths:
        context += configured
    return Request(
        paths=paths or configured,
        rules=enabled,
        settings=_settings(config, options),
        context=context,
        crds=[*options["crds"], *(_from_here(config.directory / path) for path in config.crds)],
        exclude=(*config.exclude, *options["exclude"]),
        root=config.directory,
        force_exclude=options.get("force_exclude", False),
        waivers=config.waivers,
        mesh_config=options["mesh_config"],
        mesh_networks=options["mesh_networks"],
        stdin=_read_stdin,
        progress=_progress(),
        jobs=options.get("jobs"),
    )


def _read_stdin() -> bytes:
    """All of standard input."""
    try:
        number = sys.stdin.fileno()
    except io.UnsupportedOperation:  # no file but an object of who calls
        return sys.stdin.buffer.read()
    if sys.platform == "win32":
        return sys.stdin.buffer.read()
    import select

    # A signal that comes just before a read begins is seen only when that ends, perhaps never.
    parts: list[bytes] = []
    while True:
        if select.select([number], [], [], _SIGNAL_SECONDS)[0]:
            part = os.read(number, 1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)


_SIGNAL_SECONDS = 0.5


def _from_here(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


_PROGRESS_FROM = 500
"""Files from which a run is long enough to say how far it is."""


def _progress() -> Callable[[int, int], None] | None:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        if total < _PROGRESS_FROM:
            return
        if done == total:
            click.echo("\r\033[K", nl=False, err=True)
        elif done % 100 == 0:
            click.echo(f"\rreading {done:,} of {total:,} files", nl=False, err=True)

    return show


def _write_reports(
    report: Report,
    enabled: Sequence[EnabledRule],
    formats: Sequence[tuple[str, str | None]],
    options: dict[str, Any],
) -> None:
    mended = any(finding.fix for finding in report.findings)
    if mended and any(name in _WITH_EDITS for name, _ in formats) and not options["quiet"]:
        from meshlint.fixes import planned

        report = planned(report)
    failed: list[str] = []
    for name, target in formats:
        infos = _rule_infos(enabled, report, name)
        context = _report_context(infos, options, to_file=target is not None)
        pieces = partial(FORMATS[name], report, context)
        if name == "sarif":
            _warn_of_limits(len(report.findings))
        try:
            if target is None:
                _print(pieces(), exact=name not in _FOR_PEOPLE)
            else:
                _write(name, target, pieces)
        except OSError as error:
            failed.append(f"{target}: cannot be written: {error.strerror or error}")
        except _OutputError as error:
            failed.append(str(error))
    # The other outputs are there all the same.
    if failed:
        raise _OutputError("\n".join(failed))


def _write(name: str, target: str, pieces: Callable[[], Iterable[str]]) -> None:
    def data() -> Iterator[bytes]:
        encoded = (text.encode("utf-8") for text in _gathered(pieces()))
        return _gzipped(encoded) if target.endswith(".gz") else encoded

    # One file for all commands of a step: what another one has written stays.
    shared = name == "github-summary" and target == os.environ.get("GITHUB_STEP_SUMMARY")
    if not shared:
        write_whole(target, data)
        return
    with Path(target).open("ab") as file:
        file.writelines(data())


_GATHERED = 1 << 16
"""Characters that are written at once."""


def _gathered(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in fewer pieces."""
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _GATHERED:
            yield "".join(held)
            held.clear()
            size = 0
    yield "".join(held)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    from zlib import DEFLATED, MAX_WBITS, Z_BEST_COMPRESSION, compressobj

    # With a header of gzip that says neither when nor on what system.
    packed = compressobj(Z_BEST_COMPRESSION, DEFLATED, MAX_WBITS + 16)
    for piece in pieces:
        yield packed.compress(piece)
    yield packed.flush()


def _warn_of_limits(found: int) -> None:
    from meshlint.reporters.sarif import MAX_RESULTS, MAX_SHOWN

    if found > MAX_RESULTS:
        left = f"{found - MAX_RESULTS:,} of {found:,} findings are left out of the SARIF file"
        click.echo(f"warning: {left}, the least severe ones: GitHub refuses more", err=True)
    elif found > MAX_SHOWN:
        click.echo(
            f"warning: {found:,} findings in the SARIF file: GitHub shows the {MAX_SHOWN:,} most"
            " severe ones",
            err=True,
        )


def _print(output: str | Iterable[str], *, exact: bool = False) -> None:
    """Writes to standard output: as UTF-8 if `exact`, else as the terminal can show it."""
    from meshlint.reporters.terminal import TO_ASCII

    stream = sys.stdout
    encoding = "utf-8" if exact else stream.encoding or "utf-8"
    plain = encoding.lower().replace("-", "") != "utf8"
    try:
        for text in (output,) if isinstance(output, str) else _gathered(output):
            shown = text.translate(TO_ASCII) if plain else text
            rest = memoryview(shown.encode(encoding, "backslashreplace"))
            while rest:  # unbuffered streams may take a part only
                rest = rest[stream.buffer.write(rest) :]
        stream.flush()
    except BrokenPipeError:
        discard_output()  # the reader has seen enough, as with `| head`
    except OSError as error:
        discard_output()
        reason = error.strerror or error
        raise _OutputError(f"standard output cannot be written: {reason}") from None


def discard_output() -> None:
    """Standard output goes nowhere from here on, and nothing of it is left to fail at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_context(
    rules: Sequence[RuleInfo], options: dict[str, Any], *, to_file: bool
) -> ReportContext:
    return ReportContext(
        version=__version__,
        rules=rules,
        color=_color() and not to_file,
        width=80 if to_file else _width(),
        verbosity=1 if options["verbose"] else -1 if options["quiet"] else 0,
        working_directory=str(Path.cwd()),
        repository=_repository_root(),
        environment={name: os.environ.get(name, "") for name in CI_VARIABLES},
        category=options["sarif_category"] or "meshlint",
    )


def _repository_root() -> str:
    for directory in (Path.cwd(), *Path.cwd().parents):
        if (directory / ".git").exists():
            return str(directory)
    # A CI job may have fetched the files without git.
    for variable in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        workspace = os.environ.get(variable)
        if workspace and Path.cwd().is_relative_to(workspace):
            return workspace
    return ""


def _rule_infos(enabled: Sequence[EnabledRule], report: Report, format_name: str) -> list[RuleInfo]:
    """Rules that a reporter tells about: all of them in SARIF, else those that found something.

    Those with a concern are told about too, as the summary says what was not checked.
    """
    fired = {finding.rule for finding in report.findings}
    infos = []
    for entry in enabled:
        told = format_name == "sarif" or entry.rule.id in fired
        if told or entry.rule.concern is not None:
            infos.append(_rule_info(entry.rule, entry.severity, with_prose=told))
    if INTERNAL_ERROR in fired:
        infos.append(
            RuleInfo(
                id=INTERNAL_ERROR,
                title="A check crashed",
                severity="error",
                category="meshlint",
                rationale="A rule could not look at an object; its findings there are missing.",
                remediation="Report the bug with the object, or disable the rule for now.",
                about_run=True,
            )
        )
    return infos


def _rule_info(rule: Rule, severity: Severity, *, with_prose: bool = True) -> RuleInfo:
    return RuleInfo(
        id=rule.id,
        title=rule.title,
        severity=severity,
        category=rule.category,
        rationale=rule.rationale if with_prose else "",
        remediation=rule.remediation if with_prose else "",
        references=rule.references if with_prose else (),
        covers=rule.covers if with_prose else (),
        profiles=rule.profiles,
        checklist=rule.checklist or "",
        concern=rule.concern or "",
        precision=_PRECISION[rule.context],
        about_run="any-file" in rule.subjects,
        help_uri=rule.help_uri,
    )


# What a rule knows decides how often it can be wrong.
_PRECISION: dict[str, Precision] = {
    "self": "very-high",
    "related": "high",
    "closed-world": "medium",
}


# -------------------------------------------------------------------------------- inspect


@main.command()
@_common_options
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
def inspect(**options: Any) -> None:
    """Show what the mesh will do with the input, and where each value comes from.

    For each workload: whether it gets a proxy and why, and that proxy's resources. For each
    installation: what becomes of istiod, the gateways and the proxies' defaults.
    """
    import json

    from meshlint.mesh.inspection import inspect_installations
    from meshlint.mesh.inspection_workloads import inspect_workloads
    from meshlint.reporters.inspection import render_inspection

    config = _configuration(options["config_path"])
    request = _request(config, options, ())
    loaded = load_input(request)
    for reason in loaded.bad_paths:
        _say(f"error: {reason}")
    world = build_world(loaded, request.settings)
    data = {
        "installations": inspect_installations(world.installations, world.settings),
        "workloads": inspect_workloads(world.index, world.injector, world.proxies),
    }
    if options["format_name"] == "json":
        _print(json.dumps(data, indent=2, ensure_ascii=False) + "\n", exact=True)
    else:
        _print(render_inspection(data, _width(), color=_color()))
    if loaded.bad_paths:
        raise SystemExit(EXIT_ERROR)
    if not data["workloads"] and not data["installations"]:
        raise SystemExit(EXIT_NOTHING)


# ----------------------------------------------------------------------------------- init


@main.command()
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the file; write nothing.")
@click.option("--force", is_flag=True, help="Write over a configuration that is there.")
def init(to_stdout: bool, force: bool) -> None:
    """Write a commented .meshlint.yaml, fitted to the tree in the working directory.

    It names the folders that hold manifests, leaves out charts and test data, and says which
    version of Istio was found, which profile fits, and what the tree was taken to hold completely.
    """
    from meshlint.init import Proposal, configuration, propose

    target = Path(FILE_NAMES[0])
    there = [name for name in FILE_NAMES if Path(name).exists()]
    if there and not (to_stdout or force):
        raise _UsageError(f"{there[0]} is there already; --force writes over it.")
    rules = _all_rules(())
    enabled = tuple(enable(rule) for rule in select(rules, "production"))
    settings = Settings(today=_today(None))
    request = Request(
        paths=["."], rules=enabled, settings=settings, known_rules=rules, progress=_progress()
    )
    found = propose(request)
    if not isinstance(found, Proposal):
        click.echo(f"error: {_nothing_to_lint(found.report)}", err=True)
        raise SystemExit(EXIT_NOTHING)
    text = configuration(found)
    if to_stdout:
        _print(text, exact=True)
        return
    above = find_config(Path.cwd().parent)
    try:
        if there:
            target = Path(there[0])
        write_whole(target, text.encode())
    except OSError as error:
        raise _UsageError(f"{target}: cannot be written: {error.strerror or error}") from None
    folders = ", ".join(found.include)
    _print(f"wrote {target}: {folders}; Istio {found.istio_version}; profile {found.profile}\n")
    if above is not None:
        _say(f"{os.path.relpath(above)} no longer holds for this directory")


def _nothing_to_lint(report: Report) -> str:
    text = "there is no Kubernetes or Istio object in this tree"
    if any(entry.reason == "Helm chart template" for entry in report.skipped):
        text += ", only Helm charts; lint what they render: helm template . | meshlint -"
    return text


# ------------------------------------------------------------------------- rules, explain


@main.command("rules")
@click.option(
    "--rules",
    "rule_dirs",
    multiple=True,
    metavar="DIR",
    type=click.Path(readable=False),
    help="Folder with rules of your own.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
)
def rules_command(rule_dirs: tuple[str, ...], format_name: str) -> None:
    """List every rule."""
    from meshlint.reporters.rule_list import render_rules

    rules = [_rule_info(rule, rule.severity) for rule in _all_rules(rule_dirs)]
    _print(render_rules(rules, format_name, _width()), exact=format_name != "text")


@main.command()
@click.argument("rule_id", metavar="RULE", shell_complete=_completing(_rule_ids))
@click.option(
    "--rules",
    "rule_dirs",
    multiple=True,
    metavar="DIR",
    type=click.Path(readable=False),
    help="Folder with rules of your own.",
)
def explain(rule_id: str, rule_dirs: tuple[str, ...]) -> None:
    """Show what a rule demands, why, and what to do."""
    from meshlint.reporters.rule_list import render_rule

    rules = {rule.id: rule for rule in _all_rules(rule_dirs)}
    rule = rules.get(rule_id)
    if rule is None:
        raise _UsageError(_unknown_rule(rule_id, rules))
    parameters = {
        name: (declared.get("default"), str(declared.get("description", "")))
        for name, declared in rule.params.items()
    }
    _print(render_rule(_rule_info(rule, rule.severity), parameters, _width(), color=_color()))


def _unknown_rule(given: str, known: Iterable[str]) -> str:
    return f"there is no rule {given!r}{suggestion(given, known)}"


def _width() -> int:
    # As shutil.get_terminal_size, which loads every kind of compression.
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80


def _color() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


if __name__ == "__main__":
    main()
